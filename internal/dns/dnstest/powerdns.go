// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

// powerDNSSchema is where Debian has the tables of the backend.
const powerDNSSchema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

const powerDNSKey = "key-of-the-api-for-tests-only"

// PowerDNS is a Daemon whose HTTP API is at URL, for whoever has the key.
type PowerDNS struct {
	*Daemon
	URL, APIKey string
}

// StartPowerDNS starts the authoritative server of PowerDNS, with SQLite, as primary of zones, given with further records
// in master file format. The settings are further lines of its configuration.
func StartPowerDNS(t testing.TB, zones map[string]string, settings ...string) *PowerDNS {
	t.Helper()
	program := find(t, "pdns_server", "pdns-server")
	sqlite := find(t, "sqlite3", "sqlite3")
	schema, err := os.ReadFile(powerDNSSchema)
	testkit.Require(t, err == nil, powerDNSSchema+" (apt-get install pdns-backend-sqlite3)")
	d := newDaemon(t, 0)
	apiPort := FreePort(t, loopback)
	// The empty suffix keeps it from asking the vendor, over the internet, whether the version has known holes.
	d.write("pdns.conf", fmt.Sprintf(`launch=gsqlite3
gsqlite3-database=%s
gsqlite3-pragma-synchronous=0
local-address=%s
local-port=%s
socket-dir=%s
dnsupdate=yes
disable-axfr=no
security-poll-suffix=
loglevel=5
webserver=yes
webserver-address=%s
webserver-port=%d
api=yes
api-key=%s
%s
`, d.path("zones.db"), strings.Join(d.hosts(), ","), d.port(), d.dir, loopback, apiPort, powerDNSKey, strings.Join(settings, "\n")))
	d.writeZones(zones)
	d.run(string(schema), sqlite, d.path("zones.db"))
	for zone := range zones {
		d.run("", "pdnsutil", "--config-dir="+d.dir, "load-zone", zone, d.path(zone+".db"))
	}
	var rights strings.Builder
	for _, k := range keys() {
		fmt.Fprintf(&rights, "INSERT INTO tsigkeys (name, algorithm, secret) VALUES ('%s', '%s', '%s');\n", k.name, k.algorithm, k.secret)
	}
	for _, name := range mayUpdate() {
		fmt.Fprintf(&rights, `INSERT INTO domainmetadata (domain_id, kind, content)
  SELECT id, 'TSIG-ALLOW-DNSUPDATE', '%s' FROM domains;
`, name)
	}
	d.run(rights.String(), sqlite, d.path("zones.db"))
	d.tellVersion(program, "--version")
	d.launch("ready to distribute questions", program, "--config-dir="+d.dir, "--daemon=no", "--guardian=no", "--write-pid=no")
	return &PowerDNS{Daemon: d, URL: fmt.Sprintf("http://%s:%d", loopback, apiPort), APIKey: powerDNSKey}
}

// AddZone adds a zone, given with further records in master file format, until the test ends.
func (p *PowerDNS) AddZone(t testing.TB, zone, records string) {
	t.Helper()
	const zones = "/api/v1/servers/localhost/zones"
	path := zones + "/" + dns.Canonical(zone)
	p.call(t, http.MethodPost, zones, map[string]any{
		"name": dns.Canonical(zone), "kind": "Native", "zone": fmt.Sprintf("$ORIGIN "+dns.Canonical(zone)+"\n"+masterFile, records),
	})
	p.call(t, http.MethodPut, path+"/metadata/TSIG-ALLOW-DNSUPDATE", map[string]any{"metadata": mayUpdate()})
	t.Cleanup(func() { p.call(t, http.MethodDelete, path, nil) })
}

// AllowUpdatesFrom lets machines of a network update a zone, besides those that the configuration lets.
func (p *PowerDNS) AllowUpdatesFrom(t testing.TB, zone, network string) {
	t.Helper()
	p.call(t, http.MethodPut, "/api/v1/servers/localhost/zones/"+dns.Canonical(zone)+"/metadata/ALLOW-DNSUPDATE-FROM",
		map[string]any{"metadata": []string{network}})
}

// call the HTTP API.
func (p *PowerDNS) call(t testing.TB, method, path string, body any) {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, p.URL+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", p.APIKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatalf("calling PowerDNS: %v", err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		message, _ := io.ReadAll(response.Body)
		t.Fatalf("calling PowerDNS: %s %s: %s: %s", method, path, response.Status, message)
	}
}
