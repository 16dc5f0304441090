// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/hack/e2e/faults"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/check"
)

// The domain that everything happens to, without a Federation; see hack/lab/partners/faulty.sh.
const (
	faulty        = "faulty.example"
	faultyAddress = "203.0.113.27"
	faultyService = "_xmpp-server._tcp." + faulty + " SRV"
	faultyHost    = "xmpp." + faulty
)

// domainWard has a domain that is served by somebody else's Prosody, as doctor examines it without any cluster.
func domainWard(s *site, doctor faults.Doctor) *ward {
	s.lab("partner", "switch", "faulty")
	s.Cleanup(func() { s.lab("partner", "stop", "faulty") })
	root := lab.Dir + "/partners/faulty/root"
	return &ward{
		site: s, doctor: doctor, healthy: map[string][]check.Result{}, complaints: map[string]complaints{},
		args: []string{faulty},
		target: faults.Target{
			Domain:     faulty,
			Prosodyctl: []string{"exec", "faulty", "--", "chroot", root, "prosodyctl", "--config", "/lab/prosody.cfg.lua"},
		},
		faults: slices.Concat(recordFaults(), networkFaults(), encryptionFaults(), certificateFaults(), publishedFaults(s), nameServerFaults(s)),
	}
}

// set changes record sets of faulty.example.
func set(key string, data ...string) faults.Injection {
	return faults.Records(map[string][]string{key: data})
}

func recordFaults() []oneFault {
	return []oneFault{
		{name: "SRV missing", inject: set(faultyService), want: check.ServiceRecord},
		{name: "SRV missing, fallback works", inject: faults.Records(map[string][]string{
			faultyService: nil, faulty + " A": {faultyAddress},
		}), want: check.Fallback},
		{name: "SRV says no service", inject: set(faultyService, "0 0 0 ."), want: check.ServiceRecord},
		{
			name: "SRV target has no address", inject: set(faultyService, "0 0 5269 gone."+faulty+"."),
			want: check.TargetResolves, side: "gone." + faulty,
		},
		{name: "SRV target is an alias", inject: faults.Records(map[string][]string{
			faultyService: {"0 0 5269 alias." + faulty + "."}, "alias." + faulty + " CNAME": {faultyHost + "."},
		}), want: check.TargetResolves, side: "alias." + faulty},
		{
			name: "SRV target is an address", inject: set(faultyService, "0 0 5269 "+faultyAddress+"."),
			want: check.TargetResolves, side: faultyAddress,
		},
		{
			name: "SRV names a closed port", inject: set(faultyService, "0 0 5299 "+faultyHost+"."),
			want: check.TCP, side: faultyAddress + ":5299", tls: true,
		},
		{
			name: "SRV names the port for clients", inject: set(faultyService, "0 0 5222 "+faultyHost+"."),
			want: check.StreamOpens, side: faultyAddress + ":5222", tls: true,
		},
		{
			name: "A leads to another organisation's server", inject: set(faultyHost+" A", "203.0.113.20"),
			want: check.StreamOpens, side: "203.0.113.20:5269", tls: true,
		},
		{
			name: "A leads to an unused address", inject: set(faultyHost+" A", "203.0.113.99"),
			want: check.TCP, side: "203.0.113.99:5269", tls: true,
		},
		{name: "group chat: SRV missing", inject: set("_xmpp-server._tcp.conference." + faulty + " SRV"), want: check.GroupChat},
		{
			name:   "group chat: SRV leads to another server",
			inject: set("_xmpp-server._tcp.conference."+faulty+" SRV", "0 0 5269 xmpp.gmail.com."), want: check.GroupChat,
		},
		{
			name:   "direct TLS: SRV names the STARTTLS port",
			inject: set("_xmpps-server._tcp."+faulty+" SRV", "0 0 5269 "+faultyHost+"."), want: check.DirectTLS,
		},
	}
}

func networkFaults() []oneFault {
	const in = "chain in { type filter hook input priority 0; "
	return []oneFault{
		{name: "server stopped", inject: faults.Stop("faulty"), want: check.TCP, side: faultyAddress + ":5269", tls: true},
		{name: "server hangs", inject: faults.Hang("faulty"), want: check.StreamOpens, side: faultyAddress + ":5269", tls: true},
		{
			name: "port closed by a firewall", inject: faults.Filter("faulty", in+"tcp dport 5269 reject with tcp reset; }"),
			want: check.TCP, side: faultyAddress + ":5269", tls: true,
		},
		{
			name: "packets dropped on the way in", inject: faults.Filter("faulty", in+"tcp dport 5269 drop; }"),
			want: check.TCP, side: faultyAddress + ":5269", tls: true,
		},
		{
			name:   "port leads to direct TLS",
			inject: faults.Filter("faulty", "chain nat { type nat hook prerouting priority -100; tcp dport 5269 redirect to :5270; }"),
			want:   check.StreamOpens, side: faultyAddress + ":5269", tls: true,
		},
		{
			name: "direct TLS: port closed", inject: faults.Filter("faulty", in+"tcp dport 5270 reject with tcp reset; }"),
			want: check.DirectTLS,
		},
		{
			name: "IPv6 address dead", inject: faults.All(
				faults.Address(faults.Outside, "servers", "2001:db8:27::1/64"),
				faults.Address("faulty", "eth0", "2001:db8:27::27/64"),
				faults.Filter("faulty", in+"ip6 daddr 2001:db8:27::27 tcp dport 5269 drop; }"),
				set(faultyHost+" AAAA", "2001:db8:27::27"),
			), want: check.TCP, side: "[2001:db8:27::27]:5269",
		},
	}
}

func encryptionFaults() []oneFault {
	at := faultyAddress + ":5269"
	return []oneFault{
		{name: "no STARTTLS", inject: faults.Switch("faulty", "no-tls"), want: check.EncryptionKept, side: at, protocols: true},
		{name: "no newer TLS than 1.1", inject: faults.Switch("faulty", "old-tls"), want: check.Handshake, side: at, protocols: true},
		{
			name:   "neither certificates nor dialback taken",
			inject: faults.Switch("faulty", "no-proof"), want: check.DialbackOffer, side: at, protocols: true,
		},
		{
			name:   "partner's service hosts the domain too", // a partner that the other ward does not touch
			inject: faults.Switch("cup8", "hosts-us", faulty), want: check.HostedThere, side: "cup8.example",
			args: []string{"--peer", "cup8.example", "--ca", lab.Dir + "/pki/cup8.crt"},
		},
	}
}

// nameServerFaults are on a domain of its own, whose two name servers are in this program.
func nameServerFaults(s *site) []oneFault {
	const (
		domain        = "delegated." + faulty
		first, second = "198.51.100.10", "198.51.100.11"
	)
	records := func(host string) []string {
		return []string{
			domain + ". 1 SOA ns1." + domain + ". hostmaster." + domain + ". 1 5 2 3600 1",
			domain + ". 1 NS ns1." + domain + ".", domain + ". 1 NS ns2." + domain + ".",
			"ns1." + domain + ". 1 A " + first, "ns2." + domain + ". 1 A " + second,
			"_xmpp-server._tcp." + domain + ". 1 SRV 0 0 5269 " + host + "." + domain + ".",
			"_xmpps-server._tcp." + domain + ". 1 SRV 0 0 5270 xmpp." + domain + ".",
			"xmpp." + domain + ". 1 A " + faultyAddress, "old." + domain + ". 1 A " + faultyAddress,
		}
	}
	undo, err := faults.All(faults.Address("node", "eth0", second+"/24"), faults.Delegation(domain, first, second))(s.ctx)
	s.Cleanup(func() {
		if undo != nil {
			s.must(undo(s.ctx))
		}
	})
	s.must(err)
	server := func(address string) *faults.NameServer {
		n, err := faults.NewNameServer(address, domain, records("xmpp")...)
		s.must(err)
		s.Cleanup(n.Close)
		return n
	}
	one, two, resolver := server(first+":53"), server(second+":53"), server(first+":5300")
	resolver.Forward(lab.Primary)
	fault := func(name string, inject faults.Injection, want check.ID, side string) oneFault {
		return oneFault{
			name: name, inject: inject, want: want, side: side, target: faults.Target{Domain: domain},
			instead: true, args: []string{domain, "--resolver", lab.Primary, "--resolver", first + ":5300"},
		}
	}
	both := func(rcode int) faults.Injection { return faults.All(one.Answering(rcode), two.Answering(rcode)) }
	return []oneFault{
		fault("one name server has old records", two.Stale(records("old")...), check.SameEverywhere, "ns2."+domain),
		fault("one name server does not have the zone", two.Answering(dns.RcodeRefused), check.SameEverywhere, "ns2."+domain),
		fault("one name server is dead", two.Dead(), check.SameEverywhere, "ns2."+domain),
		fault("every name server fails", both(dns.RcodeServerFailure), check.ServiceRecord, domain),
		fault("a resolver has other records", resolver.Stale(records("old")...), check.SameEverywhere, first+":5300"),
	}
}
