// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

const fixService = `The public zone must hold "_xmpp-server._tcp.cupdomain.com. SRV 0 0 5269 cup1.cupdomain.com."`

func TestInboundJudgesPublicDNS(t *testing.T) {
	const fixAddress = "The public zone must hold A and AAAA records of cup1.cupdomain.com for 203.0.113.128 and for " +
		"nothing else; if it does, wait until the resolver forgets the old ones (TTL of the records)"
	const fixMismatch = fixService + " and no other SRV record at that name; if it does, wait until the resolver forgets " +
		"the old one (TTL of the record)"
	service := "_xmpp-server._tcp.cupdomain.com."
	for name, tc := range map[string]struct {
		records []string
		reason  string
		id      ID
		message string
	}{
		"no service record of one domain": {
			records: without(service), reason: v1alpha1.ReasonSRVMissing, id: ServiceRecord,
			message: "resolver R0: there is no SRV record _xmpp-server._tcp.cupdomain.com. " + fixService +
				"; if it does, wait until the resolver forgets that it did not (negative TTL of the zone)",
		},
		"a service record with another port": {
			records: append(without(service), service+" 300 IN SRV 0 0 5270 cup1.cupdomain.com."),
			reason:  v1alpha1.ReasonSRVMismatch, id: ServicePort,
			message: `resolver R0: the SRV record _xmpp-server._tcp.cupdomain.com is "0 0 5270 cup1.cupdomain.com.". ` + fixMismatch,
		},
		"a service record left over beside ours": {
			records: append([]string{service + " 300 IN SRV 5 0 5269 old.cupdomain.com."}, zone...),
			reason:  v1alpha1.ReasonSRVMismatch, id: ServiceRecord,
			message: `resolver R0: the SRV record _xmpp-server._tcp.cupdomain.com is "0 0 5269 cup1.cupdomain.com.", ` +
				`"5 0 5269 old.cupdomain.com.". ` + fixMismatch,
		},
		"a service record that denies the service": {
			records: append(without(service), service+" 300 IN SRV 0 0 5269 ."),
			reason:  v1alpha1.ReasonSRVMismatch, id: ServiceRecord,
			message: `resolver R0: the SRV record _xmpp-server._tcp.cupdomain.com is "0 0 5269 .". ` + fixMismatch,
		},
		"another address": {
			records: append(without("cup1.cupdomain.com."), "cup1.cupdomain.com. 300 IN A 203.0.113.9"),
			reason:  v1alpha1.ReasonAddressMismatch, id: PublicAddress,
			message: "resolver R0: cup1.cupdomain.com has the address 203.0.113.9. " + fixAddress,
		},
		"an IPv6 address that is not ours": {
			records: append([]string{"cup1.cupdomain.com. 300 IN AAAA 2001:db8::1"}, zone...),
			reason:  v1alpha1.ReasonAddressMismatch, id: PublicAddress,
			message: "resolver R0: cup1.cupdomain.com has the address 203.0.113.128, 2001:db8::1. " + fixAddress,
		},
		"no address": {
			records: without("cup1.cupdomain.com."), reason: v1alpha1.ReasonAddressMismatch, id: TargetResolves,
			message: "resolver R0: cup1.cupdomain.com has no address. " + fixAddress,
		},
		"an alias, though its address is right": {
			records: append(without("cup1.cupdomain.com."), "cup1.cupdomain.com. 300 IN CNAME lb.example.",
				"lb.example. 300 IN A 203.0.113.128"),
			reason: v1alpha1.ReasonAddressMismatch, id: TargetResolves,
			message: `resolver R0: cup1.cupdomain.com is an alias (CNAME) for "lb.example", which RFC 2782 forbids for the ` +
				"target of an SRV record. " + fixAddress,
		},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, run(t, checker(network{}), target(startResolver(t, tc.records...))), tc.reason, tc.message+tag(tc.id))
		})
	}
}

func TestInboundNamesTheResolverThatLags(t *testing.T) {
	fresh, late := startResolver(t, zone...), startResolver(t, without("_xmpp-server._tcp.conference.cupdomain.com.")...)
	got := run(t, checker(network{}), target(fresh, late))
	expect(t, got, v1alpha1.ReasonSRVMissing, "resolver R1: there is no SRV record _xmpp-server._tcp.conference.cupdomain.com. "+
		`The public zone must hold "_xmpp-server._tcp.conference.cupdomain.com. SRV 0 0 5269 cup1.cupdomain.com."; if it does, `+
		"wait until the resolver forgets that it did not (negative TTL of the zone) [D01]")
}

func TestInboundTellsTheSameOfSeveralResolversOnce(t *testing.T) {
	records := without("_xmpp-server._tcp.cupdomain.com.")
	got := run(t, checker(network{}), target(startResolver(t, records...), startResolver(t, records...)))
	want := "resolver R0, resolver R1: there is no SRV record _xmpp-server._tcp.cupdomain.com. The"
	if !strings.HasPrefix(got.Message, want) {
		t.Errorf("got %s, want %s...", got.Message, want)
	}
}

func TestInboundWithoutAnyAnswer(t *testing.T) {
	const fix = ". So nothing is known of public DNS: check spec.verification.resolvers, and that the operator may reach " +
		"them (UDP and TCP) [D01]"
	refusing := startResolver(t, zone...)
	refusing.change(func() {
		for _, record := range zone {
			refusing.rcodes[strings.Fields(record)[0]] = dns.RcodeRefused
		}
	})
	bogus := startResolver(t, zone...)
	bogus.change(func() { bogus.rcodes["_xmpp-server._tcp.conference.cupdomain.com."] = dns.RcodeServerFailure })
	referring := startResolver(t)
	ns, err := dns.NewRR("com. 300 IN NS a.gtld-servers.net.")
	if err != nil {
		t.Fatal(err)
	}
	referring.change(func() { referring.authority = []dns.RR{ns} })
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()

	for name, tc := range map[string]struct {
		resolver *resolver
		message  string
	}{
		"because the resolver refuses":        {refusing, "resolver R0 answers REFUSED"},
		"for one name":                        {bogus, "resolver R0 answers SERVFAIL"},
		"because the resolver is no resolver": {referring, "resolver R0 does not resolve the name, but refers to other name servers"},
		"because the resolver is silent":      {&resolver{address: silent.LocalAddr().String()}, "resolver R0 does not answer"},
		"because nothing listens at the address": {
			&resolver{address: "127.0.0.1:1"}, "resolver R0 refuses DNS queries (nothing listens there)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
			defer cancel()
			got := runWithin(ctx, checker(network{}), target(tc.resolver))
			expect(t, got, v1alpha1.ReasonResolverUnavailable, tc.message+fix)
		})
	}
}

func TestInboundGoesOnWithoutOneOfSeveralResolvers(t *testing.T) {
	server := startServer(t, serves(keyPair(t, today, domains...)))
	got := run(t, checker(network{publicAddress: server}), target(startResolver(t, zone...), &resolver{address: "127.0.0.1:1"}))
	want := "; but resolver R1 refuses DNS queries (nothing listens there)"
	if got.Reason != v1alpha1.ReasonReachable || !strings.HasSuffix(got.Message, want) {
		t.Errorf("got %+v, want ...%s", got, want)
	}
}

func TestInboundAsksOverTCPWhenAnAnswerIsTruncated(t *testing.T) {
	server := startServer(t, serves(keyPair(t, today, domains...)))
	r := startResolver(t, zone...)
	r.change(func() { r.truncate = true })
	got := run(t, checker(network{publicAddress: server}), target(r))
	var overTCP int
	r.change(func() { overTCP = r.overTCP })
	if got.Reason != v1alpha1.ReasonReachable || overTCP != 4 {
		t.Errorf("got %+v after %d queries over TCP, want A, AAAA and 2 SRV", got, overTCP)
	}
}

func TestInboundAsksTheSystemsResolversWhenNoneAreGiven(t *testing.T) {
	c := checker(network{})
	c.ResolvConf = filepath.Join(t.TempDir(), "resolv.conf")
	got := run(t, c, target())
	if got.Reason != v1alpha1.ReasonResolverUnavailable || !strings.Contains(got.Message, "spec.verification.resolvers") {
		t.Errorf("without a file: got %+v", got)
	}
	// Nothing listens at port 53 of this address.
	if err := os.WriteFile(c.ResolvConf, []byte("nameserver 127.9.9.9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got = run(t, c, target()); !strings.HasPrefix(got.Message, "resolver 127.9.9.9:53 ") {
		t.Errorf("with a file: got %+v", got)
	}
}
