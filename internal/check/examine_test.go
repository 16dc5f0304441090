// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/check/checktest"
	"github.com/xmppfed/xmppfed/internal/pki"
)

const (
	ours       = "cupdomain.com"
	rooms      = "conference.cupdomain.com"
	publicV4   = "203.0.113.128:5269"
	publicV6   = "[2001:db8::128]:5269"
	directPort = "203.0.113.128:5270"
	ourSecret  = "the dialback secret"
)

var today = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// healthy is the zone of a domain without fault.
var healthy = []string{
	"cupdomain.com. 300 IN SOA ns1.cupdomain.com. admin.cupdomain.com. 7 3600 600 86400 60",
	"cupdomain.com. 300 IN NS ns1.cupdomain.com.",
	"cupdomain.com. 300 IN NS ns2.cupdomain.com.",
	"ns1.cupdomain.com. 300 IN A 127.0.0.1",
	"ns2.cupdomain.com. 300 IN A 127.0.0.2",
	"_xmpp-server._tcp.cupdomain.com. 300 IN SRV 0 0 5269 cup1.cupdomain.com.",
	"_xmpp-server._tcp.conference.cupdomain.com. 300 IN SRV 0 0 5269 cup1.cupdomain.com.",
	"_xmpps-server._tcp.cupdomain.com. 300 IN SRV 0 0 5270 cup1.cupdomain.com.",
	"cup1.cupdomain.com. 300 IN A 203.0.113.128",
	"cup1.cupdomain.com. 300 IN AAAA 2001:db8::128",
}

// world is a healthy domain that a test breaks in one way.
type world struct {
	t               *testing.T
	ns1, ns2        *checktest.NameServer
	server, direct  *checktest.Server
	network         checktest.Network
	subject         check.Subject
	checker         *check.Checker
	caCert, caKey   []byte
	serving, tlsing string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, network: checktest.Network{}}
	var err error
	w.caCert, w.caKey, err = pki.NewCA("Public CA", today.AddDate(0, -6, 0))
	w.must(err)
	w.ns1, w.ns2 = twoNameServers(t)
	certificate := w.issue(today, ours, rooms)
	w.server = &checktest.Server{Hosts: []string{ours, rooms}, Certificate: certificate, DialbackSecret: ourSecret, AsksForCertificate: true}
	w.direct = &checktest.Server{Hosts: []string{ours, rooms}, Certificate: certificate, DialbackSecret: ourSecret, Direct: true}
	w.serving, err = w.server.Start()
	w.must(err)
	t.Cleanup(w.server.Stop)
	w.tlsing, err = w.direct.Start()
	w.must(err)
	t.Cleanup(w.direct.Stop)
	w.network[publicV4], w.network[publicV6], w.network[directPort] = w.serving, w.serving, w.tlsing
	w.network["[2001:db8::128]:5270"] = w.tlsing
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.caCert)
	_, port, err := net.SplitHostPort(w.ns1.Address)
	w.must(err)
	number, err := strconv.ParseUint(port, 10, 16)
	w.must(err)
	w.checker = check.New()
	w.checker.Dialer, w.checker.NameServerPort = w.network, uint16(number)
	w.checker.Now = func() time.Time { return today }
	w.subject = check.Subject{Domain: ours, Roots: roots, DialbackSecret: ourSecret, Resolvers: []string{w.ns1.Address}}
	return w
}

// twoNameServers are at the same port of two addresses.
func twoNameServers(t *testing.T) (one, two *checktest.NameServer) {
	t.Helper()
	for range 20 {
		var err error
		if one, err = checktest.StartNameServer("127.0.0.1", 0, ours, healthy...); err != nil {
			t.Fatal(err)
		}
		port := netip.MustParseAddrPort(one.Address).Port()
		if two, err = checktest.StartNameServer("127.0.0.2", int(port), ours, healthy...); err == nil {
			t.Cleanup(one.Stop)
			t.Cleanup(two.Stop)
			return one, two
		}
		one.Stop()
	}
	t.Fatal("no port is free at both addresses")
	return nil, nil
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// issue makes a certificate of the public CA.
func (w *world) issue(at time.Time, names ...string) *tls.Certificate {
	w.t.Helper()
	certPEM, keyPEM, err := pki.Issue(w.caCert, w.caKey, names, at)
	w.must(err)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	w.must(err)
	return &pair
}

// show has both servers show a certificate.
func (w *world) show(certificate *tls.Certificate) {
	w.server.Certificate, w.direct.Certificate = certificate, certificate
}

// publish replaces records on both name servers: what begins with prefix goes, the rest given comes.
func (w *world) publish(prefix string, records ...string) {
	w.t.Helper()
	changed := append(slices.DeleteFunc(slices.Clone(healthy), func(r string) bool { return strings.HasPrefix(r, prefix) }), records...)
	w.must(w.ns1.Serve(changed...))
	w.must(w.ns2.Serve(changed...))
}

// blamed are the IDs of failures, or of warnings where nothing fails.
func blamed(results []check.Result) []check.ID {
	for _, mark := range []check.Mark{check.Fail, check.Warn} {
		var ids []check.ID
		for _, r := range results {
			if r.Mark == mark && !slices.Contains(ids, r.ID) {
				ids = append(ids, r.ID)
			}
		}
		if len(ids) > 0 {
			return ids
		}
	}
	return nil
}

func (w *world) examine() []check.Result {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return w.checker.Examine(ctx, w.subject)
}

func told(results []check.Result) string {
	var b strings.Builder
	for _, r := range results {
		fmt.Fprintf(&b, "%s %-4s %s %s: %s | %s\n", r.ID, r.Mark, r.Domain, r.Subject, r.Words, r.Fix)
	}
	return b.String()
}

func TestEachFaultIsBlamedOnceAndOnTheRightCheck(t *testing.T) {
	const srv = "_xmpp-server._tcp.cupdomain.com."
	service := func(data string) func(*world) {
		return func(w *world) { w.publish(srv, srv+" 300 IN SRV "+data) }
	}
	for name, tc := range map[string]struct {
		hurt func(w *world)
		want []check.ID
		says string
	}{
		"nothing": {hurt: func(*world) {}},
		"no service record": {
			hurt: func(w *world) { w.publish(srv) }, want: []check.ID{check.ServiceRecord}, says: "nobody finds its server",
		},
		"no service record, but a fallback that works": {
			hurt: func(w *world) {
				w.publish(srv, "cupdomain.com. 300 IN A 203.0.113.128")
			},
			want: []check.ID{check.Fallback}, says: "its own address and port 5269 only",
		},
		"a service record that denies the service": {
			hurt: service("0 0 0 ."), want: []check.ID{check.ServiceRecord}, says: "says that the domain has no XMPP",
		},
		"a target without address": {
			hurt: service("0 0 5269 gone.cupdomain.com."), want: []check.ID{check.TargetResolves}, says: "it has no address",
		},
		"a target that is an alias": {
			hurt: func(w *world) {
				w.publish(srv, srv+" 300 IN SRV 0 0 5269 alias.cupdomain.com.", "alias.cupdomain.com. 300 IN CNAME cup1.cupdomain.com.")
			},
			want: []check.ID{check.TargetResolves}, says: "it is an alias (CNAME)",
		},
		"a target that is an address": {
			hurt: service("0 0 5269 203.0.113.128."), want: []check.ID{check.TargetResolves}, says: "names an address where",
		},
		"a closed port": {hurt: service("0 0 5299 cup1.cupdomain.com."), want: []check.ID{check.TCP}, says: "connections are refused"},
		"one name server with old records": {
			hurt: func(w *world) {
				w.must(w.ns2.Serve(append(slices.DeleteFunc(slices.Clone(healthy), func(r string) bool { return strings.HasPrefix(r, srv) }),
					srv+" 300 IN SRV 0 0 5269 old.cupdomain.com.")...))
			},
			want: []check.ID{check.SameEverywhere}, says: `old.cupdomain.com. for SRV`,
		},
		"a name server that does not have the zone": {
			hurt: func(w *world) { w.ns2.Fail(dns.RcodeRefused) }, want: []check.ID{check.SameEverywhere}, says: "answers REFUSED",
		},
		"name servers with other serial numbers": {
			hurt: func(w *world) {
				changed := slices.Clone(healthy)
				changed[0] = strings.Replace(changed[0], " 7 ", " 6 ", 1)
				w.must(w.ns2.Serve(changed...))
			},
			want: []check.ID{check.SameEverywhere}, says: "different serial numbers",
		},
		"no name server that answers": {
			hurt: func(w *world) { w.ns1.Fail(dns.RcodeServerFailure); w.ns2.Fail(dns.RcodeServerFailure) },
			want: []check.ID{check.ServiceRecord}, says: "no DNS server answers for cupdomain.com",
		},
		"an IPv6 address where nothing listens": {
			hurt: func(w *world) { delete(w.network, publicV6) }, want: []check.ID{check.TCP}, says: "connections by IPv6 are refused",
		},
		"a server that has gone": {
			hurt: func(w *world) { clear(w.network) }, want: []check.ID{check.TCP},
		},
		"a server that does not serve the domain": {
			hurt: func(w *world) { w.server.Hosts, w.direct.Hosts = nil, nil }, want: []check.ID{check.StreamOpens}, says: "host-unknown",
		},
		"a port for direct TLS where STARTTLS has to be": {
			hurt: func(w *world) { w.network[publicV4], w.network[publicV6] = w.tlsing, w.tlsing }, want: []check.ID{check.StreamOpens},
		},
		"no encryption": {
			hurt: func(w *world) { w.server.Certificate = nil }, want: []check.ID{check.EncryptionKept}, says: "offers no encryption",
		},
		"old TLS only": {
			hurt: func(w *world) { w.server.Newest = tls.VersionTLS11 }, want: []check.ID{check.Handshake}, says: "TLS 1.1 at best",
		},
		"another certificate for those who name no server": {
			hurt: func(w *world) { w.server.Unnamed = w.issue(today, "hoster.example") }, want: []check.ID{check.Handshake},
			says: `a certificate for "hoster.example"`,
		},
		"an expired certificate": {
			hurt: func(w *world) { w.show(w.issue(today.AddDate(0, 0, -91), ours, rooms)) }, want: []check.ID{check.Certificate}, says: "expired at",
		},
		"a certificate of the near future": {
			hurt: func(w *world) { w.show(w.issue(today.Add(2*time.Hour), ours, rooms)) }, want: []check.ID{check.Clock},
		},
		"a certificate that ends soon": {
			hurt: func(w *world) { w.show(w.issue(today.AddDate(0, 0, -80), ours, rooms)) }, want: []check.ID{check.Expiry}, says: "in 10 days",
		},
		"a certificate of the host only": {
			hurt: func(w *world) { w.show(w.issue(today, "cup1.cupdomain.com")) }, want: []check.ID{check.Certificate}, says: "does not name it",
		},
		"a CA that nobody knows": {
			hurt: func(w *world) { w.subject.Roots = x509.NewCertPool() }, want: []check.ID{check.Certificate}, says: "not trusted here",
		},
		"the Federation's own CA": {
			hurt: func(w *world) { w.subject.Roots, w.subject.OwnCA = x509.NewCertPool(), true }, want: []check.ID{check.Certificate},
			says: "own CA, which strangers don't trust",
		},
		"a certificate without the group chat domain": {
			hurt: func(w *world) { w.show(w.issue(today, ours)) }, want: []check.ID{check.GroupChat}, says: "D20 fails for it",
		},
		"a group chat domain that is served but not in the DNS": {
			hurt: func(w *world) { w.publish("_xmpp-server._tcp.conference") }, want: []check.ID{check.GroupChat}, says: "D01 fails for it",
		},
		"a wrong dialback secret": {
			hurt: func(w *world) { w.server.DialbackSecret = "another" }, want: []check.ID{check.DialbackKey}, says: "another secret",
		},
		"neither certificates nor dialback": {
			hurt: func(w *world) {
				w.server.DialbackSecret, w.server.AsksForCertificate, w.subject.DialbackSecret = "", false, ""
			},
			want: []check.ID{check.DialbackOffer}, says: "no dialback, and nothing else",
		},
		"direct TLS at the STARTTLS port": {
			hurt: func(w *world) { w.network[directPort] = w.serving }, want: []check.ID{check.DirectTLS}, says: "may expect STARTTLS",
		},
		"a TLSA record of an old certificate": {
			hurt: func(w *world) {
				w.publish("none", "_5269._tcp.cup1.cupdomain.com. 300 IN TLSA 3 1 1 "+strings.Repeat("ab", 32))
			},
			want: []check.ID{check.DANE}, says: "no TLSA record matches",
		},
		"another address than the Federation's": {
			hurt: func(w *world) { w.want("203.0.113.99"); w.network["203.0.113.99:5269"] = w.serving },
			want: []check.ID{check.PublicAddress}, says: "cup1.cupdomain.com has the address 203.0.113.128",
		},
		"another port than the Federation's": {
			hurt: func(w *world) {
				w.want("203.0.113.128", "2001:db8::128")
				w.subject.Want.Port = 15269
				w.network["203.0.113.128:15269"], w.network["[2001:db8::128]:15269"] = w.serving, w.serving
			},
			want: []check.ID{check.ServicePort},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.hurt(w)
			results := w.examine()
			if got := blamed(results); !slices.Equal(got, tc.want) {
				t.Errorf("blamed %v, want %v\n%s", got, tc.want, told(results))
			}
			if tc.says != "" && !slices.ContainsFunc(results, func(r check.Result) bool {
				return slices.Contains(tc.want, r.ID) && strings.Contains(r.Words, tc.says)
			}) {
				t.Errorf("nothing says %q\n%s", tc.says, told(results))
			}
			for _, r := range results {
				if (r.Mark == check.Fail || r.Mark == check.Warn) && r.Fix == "" {
					t.Errorf("%s has no fix: %s", r.ID, r.Words)
				}
			}
		})
	}
}

// want makes the domain a Federation's with the addresses.
func (w *world) want(addresses ...string) {
	w.subject.GroupChat = rooms
	w.subject.Want = &check.InboundTarget{Domains: []string{ours, rooms}, Hostname: "cup1.cupdomain.com", Port: 5269}
	for _, a := range addresses {
		w.subject.Want.Addresses = append(w.subject.Want.Addresses, netip.MustParseAddr(a))
	}
}

func TestAPartnerIsJudgedByThePolicyForIt(t *testing.T) {
	policy := func(tls v1alpha1.PeerTLS, authentication v1alpha1.PeerAuthentication) v1alpha1.PeerPolicy {
		return v1alpha1.PeerPolicy{Access: v1alpha1.PeerAccessAllow, TLS: tls, Authentication: authentication}
	}
	for name, tc := range map[string]struct {
		policy v1alpha1.PeerPolicy
		hurt   func(w *world)
		want   []check.ID
	}{
		"healthy": {policy: policy(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificate), hurt: func(*world) {}},
		"encryption required, none offered": {
			policy: policy(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificate),
			hurt:   func(w *world) { w.server.Certificate = nil }, want: []check.ID{check.EncryptionKept},
		},
		"encryption optional, none offered": {
			policy: policy(v1alpha1.PeerTLSOptional, v1alpha1.PeerAuthenticationDialback), hurt: func(w *world) { w.server.Certificate = nil },
		},
		"encryption disabled, but required": {
			policy: policy(v1alpha1.PeerTLSDisabled, v1alpha1.PeerAuthenticationDialback), hurt: func(*world) {}, want: []check.ID{check.EncryptionKept},
		},
		"no service record": {
			policy: policy(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificate),
			hurt:   func(w *world) { w.publish("_xmpp-server._tcp.cupdomain.com.") }, want: []check.ID{check.PartnerRecords},
		},
		"a closed port": {
			policy: policy(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificate),
			hurt:   func(w *world) { clear(w.network) }, want: []check.ID{check.PartnerTCP},
		},
		"a route to a closed port": {
			policy: policy(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificate),
			hurt:   func(w *world) { w.subject.Route = "203.0.113.77:5269" }, want: []check.ID{check.PartnerTCP},
		},
		"an expired certificate where certificates count": {
			policy: policy(v1alpha1.PeerTLSRequired, v1alpha1.PeerAuthenticationCertificate),
			hurt:   func(w *world) { w.show(w.issue(today.AddDate(0, 0, -91), ours)) }, want: []check.ID{check.Certificate},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.subject.Partner, w.subject.Policy = "gmail.com", tc.policy
			tc.hurt(w)
			results := w.examine()
			if got := blamed(results); !slices.Equal(got, tc.want) {
				t.Errorf("blamed %v, want %v\n%s", got, tc.want, told(results))
			}
		})
	}
}
