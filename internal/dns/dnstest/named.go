// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// NamedOptions of a BIND.
type NamedOptions struct {
	// Port to listen at; zero means any free one, which is then the same for IPv6. It listens at loopback addresses only,
	// as BIND takes no other addresses than those of interfaces.
	Port int
	// Zones, with further records in master file format (RFC 1035 section 5).
	Zones map[string]string
	// Grants are further lines of the update-policy of every zone.
	Grants string
	// ZoneOptions are further options of every zone, such as those that have it signed.
	ZoneOptions string
	// PrimaryPort makes it a secondary of the BIND at that port; NotifyPort makes it notify the one at that port.
	PrimaryPort, NotifyPort int
	// StatisticsPort serves BIND's statistics by HTTP at 127.0.0.1; zero: none.
	StatisticsPort int
}

// StartNamed starts BIND.
func StartNamed(t testing.TB, o NamedOptions) *Daemon {
	t.Helper()
	program := find(t, "named", "bind9")
	d := newDaemon(t, o.Port)
	d.write("named.conf", namedConfig(o, d))
	d.copyProgram(program)
	d.writeZones(o.Zones)
	d.tellVersion(d.path("named"), "-v")
	d.launch(" running\n", d.path("named"), "-g", "-n", "1", "-c", d.path("named.conf"))
	return d
}

func namedConfig(o NamedOptions, d *Daemon) string {
	var b strings.Builder
	listen6 := "none;"
	if d.Address6 != "" {
		listen6 = loopback6 + ";"
	}
	fmt.Fprintf(&b, `options { directory %q; listen-on port %s { 127.0.0.1; }; listen-on-v6 port %s { %s }; pid-file none; recursion no;
  allow-transfer { any; }; dnssec-validation no; notify explicit; notify-delay 0; session-keyfile none;
  max-journal-size unlimited; max-ixfr-ratio unlimited; };
controls { };
`, d.dir, d.port(), d.port(), listen6)
	if o.StatisticsPort != 0 {
		fmt.Fprintf(&b, "statistics-channels { inet 127.0.0.1 port %d; };\n", o.StatisticsPort)
	}
	for _, k := range keys() {
		fmt.Fprintf(&b, "key %q { algorithm %s; secret %q; };\n", k.name, k.algorithm, k.secret)
	}
	grants := ""
	for _, name := range mayUpdate() {
		grants += fmt.Sprintf("grant %s zonesub ANY; ", name)
	}
	for zone := range o.Zones {
		if o.PrimaryPort != 0 {
			fmt.Fprintf(&b, "zone %q { type secondary; primaries { 127.0.0.1 port %d; }; };\n", zone, o.PrimaryPort)
			continue
		}
		notify := ""
		if o.NotifyPort != 0 {
			notify = fmt.Sprintf("also-notify { 127.0.0.1 port %d; };", o.NotifyPort)
		}
		fmt.Fprintf(&b, `zone %q { type primary; file "%s.db"; %s update-policy { %s grant %s subdomain _tcp.%s. SRV; %s }; %s };
`, zone, zone, notify, grants, LimitedKey, zone, o.Grants, o.ZoneOptions)
	}
	return b.String()
}

// copyProgram takes a copy of named to run: AppArmor's profile for the installed one keeps it out of other directories
// than its own.
func (d *Daemon) copyProgram(program string) {
	content, err := os.ReadFile(program)
	if err != nil {
		d.t.Fatalf("reading %s: %v", program, err)
	}
	if err := os.WriteFile(d.path("named"), content, 0o700); err != nil {
		d.t.Fatalf("copying named: %v", err)
	}
}

// BlockJournal keeps BIND from writing the journal of a zone, as a full disk does; UnblockJournal ends that.
func (d *Daemon) BlockJournal(zone string) error {
	journal := d.path(zone + ".db.jnl")
	if err := os.Rename(journal, journal+".aside"); err != nil {
		return err
	}
	return os.Mkdir(journal, 0o700)
}

// UnblockJournal gives the zone its journal back.
func (d *Daemon) UnblockJournal(zone string) error {
	journal := d.path(zone + ".db.jnl")
	if err := os.Remove(journal); err != nil {
		return err
	}
	return os.Rename(journal+".aside", journal)
}

// Reconfigure edits the configuration of BIND and starts it anew.
func (d *Daemon) Reconfigure(edit func(config string) string) {
	d.t.Helper()
	config, err := os.ReadFile(d.path("named.conf"))
	if err != nil {
		d.t.Fatalf("reading the configuration: %v", err)
	}
	d.Stop()
	d.write("named.conf", edit(string(config)))
	d.Start()
}
