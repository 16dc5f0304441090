// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

func TestRecordsAreTheSameAfterTheyWentOverTheWire(t *testing.T) {
	all := make([]byte, 255)
	for i := range all {
		all[i] = byte(i + 1)
	}
	sets := append(
		dns.AddressRecords("cup1.cupdomain.com", 300, []netip.Addr{
			netip.MustParseAddr("203.0.113.130"), netip.MustParseAddr("203.0.113.131"), netip.MustParseAddr("2001:db8::5"),
		}),
		dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 60, dns.SRV{Priority: 1, Weight: 2, Port: 5269, Target: "cup1.cupdomain.com"}),
		dns.RRset{Name: "a.cupdomain.com.", Type: dns.TypeTXT, TTL: 1, Data: []dns.Data{
			dns.TXT{"", string(all), "\x00", `\`, `\065`, `"quoted"; \"twice\"`}, dns.TXT{"v=spf1 -all"},
		}},
		dns.TLSARecord("cup1.cupdomain.com", 5269, 60, strings.Repeat("0a", 32), strings.Repeat("b1", 32)),
		dns.RRset{Name: "b.cupdomain.com.", Type: dns.TypeCNAME, TTL: 1, Data: []dns.Data{dns.Alias("c.example.")}},
	)
	for _, set := range sets {
		m := new(miekg.Msg)
		m.Answer = wire.Records(set)
		raw, err := m.Pack()
		if err != nil {
			t.Fatalf("%s: %v", set.Key(), err)
		}
		m = new(miekg.Msg)
		if err := m.Unpack(raw); err != nil {
			t.Fatalf("%s: %v", set.Key(), err)
		}
		got, ok := wire.Set(m.Answer, set.Key())
		if !ok || !got.Equal(set) {
			t.Errorf("%s: got %v, want %v", set.Key(), got, set)
		}
	}
}

func TestOnlyTheRecordsThatWereAskedForArePicked(t *testing.T) {
	var answers []miekg.RR
	for _, line := range []string{
		"cup1.cupdomain.com. 300 CH A 203.0.113.1", "cup2.cupdomain.com. 300 IN A 203.0.113.2",
		"cup1.cupdomain.com. 300 IN AAAA 2001:db8::5", "CUP1.cupdomain.com. 300 IN A 203.0.113.3",
	} {
		rr, err := miekg.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, rr)
	}
	got, ok := wire.Set(answers, dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA})
	if !ok || fmt.Sprint(got.Strings()) != "[203.0.113.3]" {
		t.Errorf("got %v %t, want only 203.0.113.3", got, ok)
	}
	if got, ok := wire.Set(answers, dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeTXT}); ok {
		t.Errorf("got %v for a type that is not there", got)
	}
}

func TestAnAliasIsReturnedInPlaceOfWhatWasAskedFor(t *testing.T) {
	alias, err := miekg.NewRR("cup1.cupdomain.com. 60 IN CNAME Elsewhere.example.")
	if err != nil {
		t.Fatal(err)
	}
	got, ok := wire.Set([]miekg.RR{alias}, dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA})
	if !ok || got.Type != dns.TypeCNAME || fmt.Sprint(got.Strings()) != "[elsewhere.example.]" {
		t.Errorf("got %v %t, want the alias", got, ok)
	}
}

func TestTroubleHasTheSameWordsForTheSameCause(t *testing.T) {
	tests := map[string]error{
		"refuses connections":                     &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"can't be reached: there is no route":     &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)},
		"is a name that does not resolve":         &net.OpError{Op: "dial", Err: &net.DNSError{IsTimeout: true}},
		"does not answer in time":                 fmt.Errorf("reading: %w", os.ErrDeadlineExceeded),
		"closes the connection without an answer": io.ErrUnexpectedEOF,
		"can't be talked to":                      errors.New("something else"),
	}
	for want, err := range tests {
		if got := wire.Trouble(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
	if got := wire.Trouble(context.DeadlineExceeded); got != "does not answer in time" {
		t.Errorf("got %q for a deadline", got)
	}
}

func FuzzSet(f *testing.F) {
	m := new(miekg.Msg)
	m.SetQuestion("cupdomain.com.", miekg.TypeTXT)
	m.Answer = wire.Records(dns.RRset{Name: "cupdomain.com.", Type: dns.TypeTXT, Data: []dns.Data{dns.TXT{`a\b`, "\x00"}}})
	raw, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, dns.TypeTXT)
	f.Fuzz(func(t *testing.T, raw []byte, kind uint16) {
		m := new(miekg.Msg)
		if m.Unpack(raw) != nil || len(m.Answer) == 0 {
			return
		}
		key := dns.Key{Name: dns.Canonical(m.Answer[0].Header().Name), Type: kind}
		set, ok := wire.Set(m.Answer, key)
		if !ok {
			return
		}
		if set.Name != key.Name || set.Type != kind && set.Type != dns.TypeCNAME || len(set.Data) == 0 {
			t.Errorf("asked for %s, got %v", key, set)
		}
		// What was read can be written: ownership records become prerequisites just as they were read.
		again := new(miekg.Msg)
		again.Answer = wire.Records(set)
		packed, err := again.Pack()
		if err != nil {
			t.Fatalf("%v can't be written: %v", set, err)
		}
		again = new(miekg.Msg)
		if err := again.Unpack(packed); err != nil {
			t.Fatalf("%v can't be read again: %v", set, err)
		}
		if got, _ := wire.Set(again.Answer, set.Key()); !got.SameData(set) {
			t.Errorf("%v was written as %v", set, got)
		}
	})
}
