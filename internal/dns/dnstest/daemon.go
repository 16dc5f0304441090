// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

// Keys of every real server that this package starts: FedKey and ForeignKey may update everything, LimitedKey nothing
// but the service records below _tcp of each apex, where the server can tell names apart, and what NamedOptions grant it.
// All are for hmac-sha256. The other algorithms have keys like FedKey, see FedKeyOf.
const (
	FedKey        = "fed-key"
	FedSecret     = "c2VjcmV0LW9mLWZlZC1rZXktZm9yLXRlc3RzLW9ubHk="
	LimitedKey    = "limited-key"
	LimitedSecret = "c2VjcmV0LW9mLWxpbWl0ZWQta2V5LWZvci10ZXN0cyE="
	ForeignKey    = "foreign-key"
	ForeignSecret = "c2VjcmV0LW9mLWZvcmVpZ24ta2V5LWZvci10ZXN0cyE="
)

// FedKeyOf is the name of a key like FedKey, with the same secret, for another algorithm.
func FedKeyOf(algorithm string) string { return FedKey + "-" + strings.TrimPrefix(algorithm, "hmac-") }

// tsigKey is a key in a server's configuration.
type tsigKey struct{ name, algorithm, secret string }

func keys() []tsigKey {
	return []tsigKey{
		{FedKey, "hmac-sha256", FedSecret},
		{FedKeyOf("hmac-sha384"), "hmac-sha384", FedSecret},
		{FedKeyOf("hmac-sha512"), "hmac-sha512", FedSecret},
		{ForeignKey, "hmac-sha256", ForeignSecret},
		{LimitedKey, "hmac-sha256", LimitedSecret},
	}
}

// mayUpdate names the keys that may update everything.
func mayUpdate() []string {
	var names []string
	for _, k := range keys() {
		if k.name != LimitedKey {
			names = append(names, k.name)
		}
	}
	return names
}

const (
	loopback   = "127.0.0.1"
	loopback6  = "::1"
	masterFile = "$TTL 300\n@ SOA ns1 hostmaster 1 60 60 3600 60\n@ NS ns1\nns1 A 127.0.0.1\n%s\n"
)

// startTimeout is long enough for a busy machine.
const startTimeout = 20 * time.Second

// Daemon is a real DNS server: a process of the current user that keeps everything in a temporary directory.
type Daemon struct {
	// Address is host:port. Address6 is the same server by IPv6, or empty where the machine has none.
	Address, Address6 string
	// Version is what the program says of itself, for example 9.18.49.
	Version string

	t   testing.TB
	dir string
	// command starts it in the foreground; ready is in its log when it answers.
	command []string
	ready   string
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

// newDaemon has addresses and a directory. Zero means any free port.
func newDaemon(t testing.TB, port int) *Daemon {
	t.Helper()
	d := &Daemon{t: t, dir: t.TempDir()}
	if _, ok := tryPort([]string{loopback6}); ok && port == 0 {
		port = FreePort(t, loopback, loopback6)
		d.Address6 = net.JoinHostPort(loopback6, strconv.Itoa(port))
	}
	if port == 0 {
		port = FreePort(t, loopback)
	}
	d.Address = net.JoinHostPort(loopback, strconv.Itoa(port))
	return d
}

// port that it listens at.
func (d *Daemon) port() string {
	_, port, _ := net.SplitHostPort(d.Address)
	return port
}

// hosts that it listens at.
func (d *Daemon) hosts() []string {
	if d.Address6 == "" {
		return []string{loopback}
	}
	return []string{loopback, loopback6}
}

// path of a file of its own.
func (d *Daemon) path(name string) string { return filepath.Join(d.dir, name) }

func (d *Daemon) write(name, content string) {
	if err := os.WriteFile(d.path(name), []byte(content), 0o600); err != nil {
		d.t.Fatalf("writing %s: %v", name, err)
	}
}

// writeZones in master file format (RFC 1035 section 5).
func (d *Daemon) writeZones(zones map[string]string) {
	for zone, records := range zones {
		d.write(zone+".db", fmt.Sprintf(masterFile, records))
	}
}

// run a command to its end.
func (d *Daemon) run(stdin, name string, arguments ...string) {
	d.t.Helper()
	command := exec.Command(name, arguments...)
	command.Stdin = strings.NewReader(stdin)
	if output, err := command.CombinedOutput(); err != nil {
		d.t.Fatalf("running %s %s: %v\n%s", name, strings.Join(arguments, " "), err, output)
	}
}

// tellVersion from what the program prints when asked for it.
func (d *Daemon) tellVersion(program, flag string) {
	// PowerDNS ends with an error after it has told its version.
	output, _ := exec.Command(program, flag).CombinedOutput()
	d.Version = regexp.MustCompile(`[0-9]+\.[0-9]+\.[0-9]+`).FindString(string(output))
}

// launch it, and stop it when the test ends.
func (d *Daemon) launch(ready string, command ...string) {
	d.t.Helper()
	d.command, d.ready = command, ready
	d.Start()
	d.t.Cleanup(d.Stop)
}

// Start it, and wait until it answers.
func (d *Daemon) Start() {
	d.t.Helper()
	d.log = &buffer{}
	d.process = exec.Command(d.command[0], d.command[1:]...)
	d.process.Stdout, d.process.Stderr = d.log, d.log
	if err := d.process.Start(); err != nil {
		d.t.Fatalf("starting %s: %v", d.command[0], err)
	}
	deadline := time.Now().Add(startTimeout)
	for !strings.Contains(d.log.String(), d.ready) {
		if time.Now().After(deadline) {
			d.Stop()
			d.t.Fatalf("waiting for %s: it is not running after %s; its log:\n%s", d.command[0], startTimeout, d.log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Stop kills it. What it accepted is in its journal.
func (d *Daemon) Stop() {
	if d.process == nil {
		return
	}
	_ = d.process.Process.Kill()
	_ = d.process.Wait()
	d.process = nil
}

// Stopped tells that it does not run.
func (d *Daemon) Stopped() bool { return d.process == nil }

// Log is what it wrote since it was started.
func (d *Daemon) Log() string { return d.log.String() }

// Dump is the content of a zone by zone transfer, without SOA: one sorted line per record.
func (d *Daemon) Dump(zone string) []string {
	d.t.Helper()
	records, err := d.transfer(zone)
	// A busy server may take longer than the client waits, or say SERVFAIL while it loads the zone.
	for deadline := time.Now().Add(startTimeout); err != nil && time.Now().Before(deadline); records, err = d.transfer(zone) {
		<-time.After(100 * time.Millisecond)
	}
	if err != nil {
		d.t.Fatalf("transferring zone %s: %v", zone, err)
	}
	return records
}

func (d *Daemon) transfer(zone string) ([]string, error) {
	m := new(miekg.Msg)
	m.SetAxfr(dns.Canonical(zone))
	parts, err := new(miekg.Transfer).In(m, d.Address)
	if err != nil {
		return nil, err
	}
	var out []string
	for part := range parts {
		if part.Error != nil {
			return nil, part.Error
		}
		for _, rr := range part.RR {
			if rr.Header().Rrtype != miekg.TypeSOA {
				out = append(out, rr.String())
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// Edit changes a zone as somebody else would: without prerequisites.
func (d *Daemon) Edit(zone string, c dns.Change) {
	d.t.Helper()
	if err := d.TryEdit(zone, c); err != nil {
		d.t.Fatal(err)
	}
}

// TryEdit is Edit for goroutines of their own.
func (d *Daemon) TryEdit(zone string, c dns.Change) error {
	m := new(miekg.Msg)
	m.SetUpdate(dns.Canonical(zone))
	for _, k := range c.Drop {
		m.RemoveRRset([]miekg.RR{wire.Header(k)})
	}
	for _, set := range c.Put {
		m.RemoveRRset([]miekg.RR{wire.Header(set.Key())})
		m.Insert(wire.Records(set))
	}
	client := miekg.Client{Net: "tcp", TsigSecret: map[string]string{ForeignKey + ".": ForeignSecret}, Timeout: startTimeout}
	send := func() (*miekg.Msg, error) {
		signed := m.Copy()
		signed.SetTsig(ForeignKey+".", miekg.HmacSHA256, 300, time.Now().Unix())
		answer, _, err := client.Exchange(signed, d.Address)
		return answer, err
	}
	answer, err := send()
	// PowerDNS can't write to its database while somebody else does.
	for end := time.Now().Add(startTimeout); err == nil && answer.Rcode == miekg.RcodeServerFailure && time.Now().Before(end); {
		answer, err = send()
	}
	if err == nil && answer.Rcode != miekg.RcodeSuccess {
		err = errors.New(miekg.RcodeToString[answer.Rcode])
	}
	if err != nil {
		return fmt.Errorf("editing zone %s: %w", zone, err)
	}
	return nil
}

// find a program, or skip the test.
func find(t testing.TB, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	testkit.Require(t, err == nil, fmt.Sprintf("%s (apt-get install %s)", program, pkg))
	return path
}
