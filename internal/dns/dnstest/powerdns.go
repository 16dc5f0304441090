// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/internal/testkit"
)

// powerDNSSchema is where Debian has the tables of the backend.
const powerDNSSchema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

// StartPowerDNS starts the authoritative server of PowerDNS, with SQLite, as primary of zones, given with further records
// in master file format.
func StartPowerDNS(t testing.TB, zones map[string]string) *Daemon {
	t.Helper()
	program := find(t, "pdns_server", "pdns-server")
	sqlite := find(t, "sqlite3", "sqlite3")
	schema, err := os.ReadFile(powerDNSSchema)
	testkit.Require(t, err == nil, powerDNSSchema+" (apt-get install pdns-backend-sqlite3)")
	d := newDaemon(t, 0)
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
`, d.path("zones.db"), strings.Join(d.hosts(), ","), d.port(), d.dir))
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
	return d
}
