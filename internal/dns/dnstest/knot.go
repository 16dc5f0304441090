// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// StartKnot starts Knot DNS as primary of zones, given with further records in master file format.
func StartKnot(t testing.TB, zones map[string]string) *Daemon {
	t.Helper()
	program := find(t, "knotd", "knot")
	d := newDaemon(t, 0)
	d.write("knot.conf", knotConfig(zones, d))
	d.writeZones(zones)
	for _, name := range []string{"run", "db"} {
		if err := os.Mkdir(d.path(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.tellVersion(program, "--version")
	d.launch("server started", program, "-c", d.path("knot.conf"))
	return d
}

func knotConfig(zones map[string]string, d *Daemon) string {
	var b strings.Builder
	var listen []string
	for _, host := range d.hosts() {
		listen = append(listen, host+"@"+d.port())
	}
	fmt.Fprintf(&b, `server:
    rundir: %q
    listen: [%s]
    udp-workers: 1
    tcp-workers: 2
    background-workers: 1
database:
    storage: %q
    journal-db-max-size: 50M
log:
  - target: stdout
    any: info
key:
`, d.path("run"), strings.Join(listen, ", "), d.path("db"))
	for _, k := range keys() {
		fmt.Fprintf(&b, "  - id: %s\n    algorithm: %s\n    secret: %q\n", k.name, k.algorithm, k.secret)
	}
	fmt.Fprintf(&b, `acl:
  - id: all
    key: [%s]
    action: [update, query]
  - id: limited
    key: %s
    action: update
    update-type: SRV
    update-owner: name
    update-owner-match: sub
    update-owner-name: _tcp
  - id: ask
    key: %s
    action: query
  - id: dump
    address: [%s]
    action: transfer
zone:
`, strings.Join(mayUpdate(), ", "), LimitedKey, LimitedKey, strings.Join(d.hosts(), ", "))
	for zone := range zones {
		fmt.Fprintf(&b, `  - domain: %s
    file: %q
    zonefile-sync: -1
    journal-content: changes
    acl: [all, limited, ask, dump]
`, zone, d.path(zone+".db"))
	}
	return b.String()
}
