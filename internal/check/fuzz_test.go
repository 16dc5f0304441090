// SPDX-License-Identifier: Apache-2.0

package check

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/pki"
)

// judged fails the test unless a result is fit to be shown: a known check and mark, printable words of bounded length, and
// a fix wherever something is wrong.
func judged(t *testing.T, r Result) {
	t.Helper()
	known := r.Mark == Pass || r.Mark == Warn || r.Mark == Fail || r.Mark == Skip
	if !known || Find(r.ID).ID == "" || r.Words == "" {
		t.Errorf("a strange result: %+v", r)
	}
	if (r.Mark == Fail || r.Mark == Warn) && r.Fix == "" {
		t.Errorf("nothing to do about: %+v", r)
	}
	for _, text := range append([]string{r.Words, r.Fix}, r.Evidence...) {
		strange := strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
		if strange || len(text) > phrase.MaxMessage {
			t.Errorf("a text of %d bytes: %q", len(text), text)
		}
	}
}

// FuzzCertificate judges whatever a server may serve for a certificate.
func FuzzCertificate(f *testing.F) {
	ca, key, err := pki.NewCA("CA", today)
	if err != nil {
		f.Fatal(err)
	}
	leaf, _, err := pki.Issue(ca, key, []string{"cupdomain.com", "*.cupdomain.com"}, today)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range [][]byte{ca, leaf} {
		block, _ := pem.Decode(text)
		f.Add(block.Bytes, "cupdomain.com")
		f.Add(block.Bytes, "a\x00.b\u202e")
	}
	f.Fuzz(func(t *testing.T, der []byte, domain string) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		chain := []*x509.Certificate{cert, cert}
		for _, s := range []Subject{{Domain: domain}, {Domain: domain, Partner: "gmail.com"}, {Domain: domain, OwnCA: true}} {
			pr := probe{trial: trial{domain: domain, leaf: cert}}
			pr.state.PeerCertificates = chain
			for _, r := range s.finish(append(s.judgeProbe(pr, today), s.judgeTLSA(pr, []TLSA{pin(cert)}, true))) {
				judged(t, r)
			}
		}
		for _, usage := range []uint8{usagePKIXTA, usagePKIXEE, usageDANETA, usageDANEEE, 9} {
			for _, matching := range []uint8{matchingFull, matchingSHA256, matchingSHA512, 9} {
				record := TLSA{Usage: usage, Selector: selectorCertificate, Matching: matching}
				data, ok := record.dataOf(cert)
				if record.Data = data; ok != (matching != 9) || ok && usage != 9 && !record.matches(chain) {
					t.Errorf("record %s does not match its own certificate", record)
				}
			}
		}
	})
}

// FuzzDNSAnswer judges whatever a DNS server may answer.
func FuzzDNSAnswer(f *testing.F) {
	for _, records := range [][]string{
		{"_xmpp-server._tcp.cupdomain.com. 300 IN SRV 0 0 5269 cup1.cupdomain.com.", "cup1.cupdomain.com. 300 IN A 203.0.113.128"},
		{"_xmpp-server._tcp.cupdomain.com. 300 IN CNAME a.cupdomain.com.", "a.cupdomain.com. 300 IN CNAME _xmpp-server._tcp.cupdomain.com."},
		{"cupdomain.com. 300 IN SOA ns1.cupdomain.com. admin.cupdomain.com. 7 1 1 1 1", "cup1.cupdomain.com. 1 IN AAAA 2001:db8::1"},
		{"_5269._tcp.cup1.cupdomain.com. 1 IN TLSA 3 1 1 00", `_xmpp-server._tcp.cupdomain.com. 1 IN SRV 0 0 0 .`},
	} {
		reply := new(dns.Msg).SetReply(question(servicePrefix+"cupdomain.com", dns.TypeSRV))
		for _, text := range records {
			rr, err := dns.NewRR(text)
			if err != nil {
				f.Fatal(err)
			}
			reply.Answer = append(reply.Answer, rr)
		}
		packed, err := reply.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		reply := new(dns.Msg)
		if reply.Unpack(packet) != nil {
			return
		}
		n := source{name: "ns1", address: "203.0.113.53:53", authoritative: true, hosts: map[string]Addresses{}}
		n.err = settles(question(servicePrefix+"cupdomain.com", dns.TypeSRV), reply)
		apex, _ := apexOf(reply)
		records, _ := pick(reply, servicePrefix+"cupdomain.com", dns.TypeSRV)
		for _, rr := range records {
			if srv, ok := rr.(*dns.SRV); ok {
				n.services = append(n.services, SRV{srv.Priority, srv.Weight, srv.Port, canonical(srv.Target)})
			}
		}
		for _, host := range targetsOf(n.services) {
			found := Addresses{}
			for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
				records, alias := pick(reply, host, kind)
				for _, rr := range records {
					if ip, ok := address(rr); ok {
						found.IPs = append(found.IPs, ip)
					}
				}
				found.Alias = alias
			}
			n.hosts[host] = found
		}
		surveyed(t, survey{zone: Zone{Apex: apex}, sources: []source{n, {name: "ns2", authoritative: true, err: errors.New("does not answer")}}})
		surveyed(t, survey{zone: Zone{Apex: apex}, sources: []source{n, {name: "resolver"}}})
	})
}

// surveyed judges a survey as that of a stranger, of a partner, and of a Federation.
func surveyed(t *testing.T, sv survey) {
	t.Helper()
	want := target()
	want.Addresses = []netip.Addr{netip.MustParseAddr("203.0.113.128")}
	for _, s := range []Subject{{Domain: "cupdomain.com"}, {Domain: "cupdomain.com", Partner: "gmail.com"}, {Domain: "cupdomain.com", Want: &want}} {
		results := judgeSurvey(s, sv)
		if best, ok := sv.reference(s); ok {
			for _, e := range s.endpoints(best, best.services) {
				if !e.address.IsValid() {
					t.Errorf("an endpoint without address: %+v", e)
				}
			}
			results = append(results, s.judgeFallback(best, nil)...)
		}
		for _, r := range s.finish(results) {
			judged(t, r)
		}
	}
}
