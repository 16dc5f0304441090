// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

// Keys of every BIND that this package starts: FedKey and ForeignKey may update everything, LimitedKey nothing but the
// service records below _tcp of each apex and what NamedOptions grant it.
const (
	FedKey        = "fed-key"
	FedSecret     = "c2VjcmV0LW9mLWZlZC1rZXktZm9yLXRlc3RzLW9ubHk="
	LimitedKey    = "limited-key"
	LimitedSecret = "c2VjcmV0LW9mLWxpbWl0ZWQta2V5LWZvci10ZXN0cyE="
	ForeignKey    = "foreign-key"
	ForeignSecret = "c2VjcmV0LW9mLWZvcmVpZ24ta2V5LWZvci10ZXN0cyE="
)

const (
	loopback   = "127.0.0.1"
	masterFile = "$TTL 300\n@ SOA ns1 hostmaster 1 60 60 3600 60\n@ NS ns1\nns1 A 127.0.0.1\n%s\n"
)

// startTimeout is long enough for a busy machine.
const startTimeout = 20 * time.Second

// Named is a running BIND.
type Named struct {
	// Address is host:port.
	Address string
	t       testing.TB
	dir     string
	process *exec.Cmd
	log     *buffer
}

// buffer is the server's log.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// NamedOptions of a BIND. It listens at 127.0.0.1, as BIND takes no other addresses than those of interfaces.
type NamedOptions struct {
	// Port to listen at; zero means any free one.
	Port int
	// Zones, with further records in master file format (RFC 1035 section 5).
	Zones map[string]string
	// Grants are further lines of the update-policy of every zone.
	Grants string
	// PrimaryPort makes it a secondary of the BIND at that port; NotifyPort makes it notify the one at that port.
	PrimaryPort, NotifyPort int
}

// StartNamed starts BIND as the current user, in a temporary directory.
func StartNamed(t testing.TB, o NamedOptions) *Named {
	t.Helper()
	program, err := exec.LookPath("named")
	testkit.Require(t, err == nil, "named (apt-get install bind9)")
	if o.Port == 0 {
		o.Port = FreePort(t, loopback)
	}
	n := &Named{Address: fmt.Sprintf("%s:%d", loopback, o.Port), t: t, dir: t.TempDir()}
	n.write("named.conf", config(o, n.dir))
	n.copyProgram(program)
	for zone, records := range o.Zones {
		n.write(zone+".db", fmt.Sprintf(masterFile, records))
	}
	n.Start()
	t.Cleanup(n.Stop)
	return n
}

func config(o NamedOptions, dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `options { directory %q; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; recursion no;
  allow-transfer { any; }; dnssec-validation no; notify explicit; notify-delay 0; session-keyfile none; };
controls { };
`, dir, o.Port)
	for _, k := range [][2]string{{FedKey, FedSecret}, {LimitedKey, LimitedSecret}, {ForeignKey, ForeignSecret}} {
		fmt.Fprintf(&b, "key %q { algorithm hmac-sha256; secret %q; };\n", k[0], k[1])
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
		fmt.Fprintf(&b, `zone %q { type primary; file "%s.db"; %s update-policy { grant %s zonesub ANY; grant %s zonesub ANY;
  grant %s subdomain _tcp.%s. SRV; %s }; };
`, zone, zone, notify, FedKey, ForeignKey, LimitedKey, zone, o.Grants)
	}
	return b.String()
}

func (n *Named) write(name, content string) {
	if err := os.WriteFile(filepath.Join(n.dir, name), []byte(content), 0o600); err != nil {
		n.t.Fatalf("writing %s: %v", name, err)
	}
}

// copyProgram takes a copy of named to run: AppArmor's profile for the installed one keeps it out of other directories
// than its own.
func (n *Named) copyProgram(program string) {
	content, err := os.ReadFile(program)
	if err != nil {
		n.t.Fatalf("reading %s: %v", program, err)
	}
	if err := os.WriteFile(filepath.Join(n.dir, "named"), content, 0o700); err != nil {
		n.t.Fatalf("copying named: %v", err)
	}
}

// Start it, and wait until it answers.
func (n *Named) Start() {
	n.t.Helper()
	n.log = &buffer{}
	n.process = exec.Command(filepath.Join(n.dir, "named"), "-g", "-n", "1", "-c", filepath.Join(n.dir, "named.conf"))
	n.process.Stdout, n.process.Stderr = n.log, n.log
	if err := n.process.Start(); err != nil {
		n.t.Fatalf("starting named: %v", err)
	}
	deadline := time.Now().Add(startTimeout)
	for !strings.Contains(n.log.String(), " running\n") {
		if time.Now().After(deadline) {
			n.Stop()
			n.t.Fatalf("waiting for named: it is not running after %s; its log:\n%s", startTimeout, n.log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Stop kills it. What it accepted is in its journal.
func (n *Named) Stop() {
	if n.process == nil {
		return
	}
	_ = n.process.Process.Kill()
	_ = n.process.Wait()
	n.process = nil
}

// Log is what it wrote since it was started.
func (n *Named) Log() string { return n.log.String() }

// Dump is the content of a zone by zone transfer, without SOA: one sorted line per record.
func (n *Named) Dump(zone string) []string {
	n.t.Helper()
	m := new(miekg.Msg)
	m.SetAxfr(dns.Canonical(zone))
	parts, err := new(miekg.Transfer).In(m, n.Address)
	if err != nil {
		n.t.Fatalf("transferring zone %s: %v", zone, err)
	}
	var out []string
	for part := range parts {
		if part.Error != nil {
			n.t.Fatalf("transferring zone %s: %v", zone, part.Error)
		}
		for _, rr := range part.RR {
			if rr.Header().Rrtype != miekg.TypeSOA {
				out = append(out, rr.String())
			}
		}
	}
	slices.Sort(out)
	return out
}

// Edit changes a zone as somebody else would: without prerequisites.
func (n *Named) Edit(zone string, c dns.Change) {
	n.t.Helper()
	m := new(miekg.Msg)
	m.SetUpdate(dns.Canonical(zone))
	for _, k := range c.Drop {
		m.RemoveRRset([]miekg.RR{wire.Header(k)})
	}
	for _, set := range c.Put {
		m.RemoveRRset([]miekg.RR{wire.Header(set.Key())})
		m.Insert(wire.Records(set))
	}
	m.SetTsig(ForeignKey+".", miekg.HmacSHA256, 300, time.Now().Unix())
	client := miekg.Client{Net: "tcp", TsigSecret: map[string]string{ForeignKey + ".": ForeignSecret}}
	answer, _, err := client.Exchange(m, n.Address)
	if err != nil || answer.Rcode != miekg.RcodeSuccess {
		n.t.Fatalf("editing zone %s: %v %v", zone, answer, err)
	}
}
