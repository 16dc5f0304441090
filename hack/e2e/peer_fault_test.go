// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"cmp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

const (
	// shortInterval is the shortest there is, so that what changed is found soon.
	shortInterval = 10 * time.Second
	// foundWithin is for the next try, its repetition, and the longest that a ping may take, twice.
	foundWithin = shortInterval + 90*time.Second
	// healedWithin is for a try that is under way and the next.
	healedWithin = shortInterval + 60*time.Second
)

// fault is something wrong between a partner and us.
type fault struct {
	name string
	// switches of the partner (hack/lab/lab partner switch), or records of its zone to change instead.
	switches []string
	records  []string // commands of nsupdate
	// profile to list the partner with; its own unless set.
	profile v1alpha1.PeerProfile
	reason  string
	// atFault is the side that the message names, and next what it says to do.
	atFault, next string
}

const faultyDomain = "peerfaults." + zone

// partnersWithFaults are wrong one after the other, the partners side by side.
var partnersWithFaults = []struct {
	partner
	faults []fault
}{
	{ejabberd, []fault{
		{
			name: "expired certificate", switches: []string{"expired-certificate"}, reason: v1alpha1.ReasonPeerCertificateInvalid,
			atFault: "the certificate of ejabberd.example has expired", next: "The administrator of ejabberd.example must renew it",
		},
		{
			name: "trusts another CA", switches: []string{"rejects-our-certificate"}, reason: v1alpha1.ReasonPeerRejectsCertificate,
			atFault: "ejabberd.example does not accept the certificate of " + faultyDomain, next: "ask ejabberd.example to trust the CA in status.certificate",
		},
		{
			name: "refuses us", switches: []string{"refuses-us", faultyDomain}, reason: v1alpha1.ReasonPeerRefused,
			atFault: "ejabberd.example refuses " + faultyDomain, next: "Ask the administrator of ejabberd.example to allow the domain " + faultyDomain,
		},
		{
			name: "DNS leads to another server", reason: v1alpha1.ReasonPeerServesNotDomain, records: []string{
				"update delete _xmpp-server._tcp.ejabberd.example SRV", "update add _xmpp-server._tcp.ejabberd.example 1 SRV 0 0 5269 xmpp.gmail.com",
			},
			atFault: "the server that the DNS names for ejabberd.example does not serve it", next: "The administrator of ejabberd.example must correct its SRV record",
		},
	}},
	{cup8, []fault{
		{
			name: "self-signed certificate", switches: []string{"self-signed-certificate"}, reason: v1alpha1.ReasonPeerCertificateInvalid,
			atFault: "the certificate of cup8.example is self-signed", next: "add it to spec.tls.trustedCAs",
		},
		{
			name: "refuses us", switches: []string{"refuses-us", faultyDomain}, reason: v1alpha1.ReasonPeerRefused,
			atFault: "cup8.example refuses " + faultyDomain, next: "Ask the administrator of cup8.example to allow the domain",
		},
		{
			name: "drops packets", switches: []string{"drops-packets"}, reason: v1alpha1.ReasonPeerTimeout,
			atFault: "connections to the server of cup8.example get no answer", next: "A firewall drops them: that of cup8.example, or ours",
		},
	}},
	{sametime, []fault{
		{
			name: "no TLS, though required", switches: []string{"no-tls"}, reason: v1alpha1.ReasonPeerOffersNoTLS,
			atFault: "sametime.example offers no encryption", next: "Ask sametime.example to switch on TLS",
		},
		{
			name: "certificate of another name", switches: []string{"wrong-name-certificate"}, reason: v1alpha1.ReasonPeerCertificateInvalid,
			atFault: "the certificate of sametime.example does not name sametime.example", next: "needs one with that DNS name",
		},
		{
			name: "trusts another CA", switches: []string{"rejects-our-certificate"}, reason: v1alpha1.ReasonPeerRejectsCertificate,
			atFault: "sametime.example does not accept the certificate of " + faultyDomain, next: "ask sametime.example to trust the CA in status.certificate",
		},
		{
			name: "DNS leads to what is no XMPP", reason: v1alpha1.ReasonPeerNotXMPP, records: []string{
				"update delete _xmpp-server._tcp.sametime.example SRV", "update add elsewhere.sametime.example 1 A 198.51.100.10",
				"update add _xmpp-server._tcp.sametime.example 1 SRV 0 0 6443 elsewhere.sametime.example", // an API server
			},
			atFault: "what answers for sametime.example", next: "administrator",
		},
	}},
	{webex, []fault{
		{
			name: "requires TLS, listed without", switches: []string{"requires-tls"}, profile: v1alpha1.PeerProfileGoogleTalk,
			reason: v1alpha1.ReasonPeerRequiresTLS, atFault: "webex.example requires encryption", next: "Set tls: Required for it in spec.peers",
		},
		{
			name: "refuses connections", switches: []string{"refuses-connections"}, reason: v1alpha1.ReasonPeerConnectionRefused,
			atFault: "connections to the server of webex.example are refused", next: "Its administrator must start it",
		},
		{
			name: "not in the DNS", records: []string{"update delete _xmpp-server._tcp.webex.example SRV"}, reason: v1alpha1.ReasonPeerDNS,
			atFault: "the DNS has no server for webex.example", next: "webex.example must publish an SRV record",
		},
	}},
	{googletalk, []fault{
		{
			name: "requires TLS, listed without", switches: []string{"requires-tls"}, reason: v1alpha1.ReasonPeerRequiresTLS,
			atFault: "talk.example requires encryption", next: "Set tls: Required for it in spec.peers",
		},
		{
			name: "refuses us", switches: []string{"refuses-us", faultyDomain}, reason: v1alpha1.ReasonPeerRefused,
			atFault: "talk.example refuses " + faultyDomain, next: "Ask the administrator of talk.example to allow the domain",
		},
	}},
}

// Whatever is wrong with a partner, its entry in the status has the reason, and a message that names the side at fault
// and what to do next; once it is right, the partner counts as reachable again.
func TestPeerFaults(t *testing.T) {
	needs(t, usual, shared(gmail.server()), exclusive(ejabberd.server(), cup8.server(), sametime.server(), webex.server(), googletalk.server()))
	s := newAllowedSite(t)
	fed := s.peered(faultyDomain, shortInterval, func(spec *v1alpha1.FederationSpec) {
		for _, p := range partnersWithFaults {
			spec.Peers = append(spec.Peers, p.peer())
		}
	})
	s.awaitPeers(fed, peersWithin)

	var rows faultTable
	t.Run("partners", func(t *testing.T) {
		for _, p := range partnersWithFaults {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				s := s.of(t)
				fed := fed.DeepCopy()
				t.Cleanup(func() { s.heal(p.partner) })
				for _, f := range p.faults {
					rows.add(s.suffer(fed, p.partner, f))
				}
			})
		}
	})
	rows.print(t, "faults of partners")
	s.awaitPeers(fed, healedWithin)
}

// of is the same site in a test of its own.
func (s *site) of(t *testing.T) *site {
	return &site{T: t, WithT: NewWithT(t), ctx: s.ctx, namespace: s.namespace, zone: s.zone}
}

// suffer lets one thing be wrong until status tells, then heals it and waits until status tells that, too.
func (s *site) suffer(fed *v1alpha1.Federation, p partner, f fault) []string {
	s.Helper()
	s.list(fed, p, cmp.Or(f.profile, p.profile))
	if f.records != nil {
		s.must(lab.Update(s.ctx, f.records...))
	}
	s.switchTo(p, f.switches...) // which ends the streams that stand, even without a switch
	began := time.Now()
	status := s.awaitPeer(fed, foundWithin, p.domain, f.reason)
	found := time.Since(began)
	for _, words := range []string{f.atFault, f.next} {
		s.Expect(status.Message).To(ContainSubstring(words), f.name)
	}
	s.heal(p)
	s.list(fed, p, p.profile)
	began = time.Now()
	s.awaitPeer(fed, healedWithin, p.domain, v1alpha1.ReasonPeerReachable)
	return []string{p.domain, f.name, status.Reason, seconds(found), seconds(time.Since(began)), status.Message}
}

// list changes the profile with which a partner is listed.
func (s *site) list(fed *v1alpha1.Federation, p partner, profile v1alpha1.PeerProfile) {
	s.Helper()
	change(s, fed, func(fed *v1alpha1.Federation) {
		for i := range fed.Spec.Peers {
			if string(fed.Spec.Peers[i].Domain) == p.domain {
				fed.Spec.Peers[i].Profile = profile
			}
		}
	})
}

// heal ends every fault of a partner, those of its records included.
func (s *site) heal(p partner) {
	s.Helper()
	name, right := "_xmpp-server._tcp."+p.domain, "0 0 5269 xmpp."+p.domain+"."
	if p != googletalk && !slices.Equal(s.records(lab.Primary, name, dns.TypeSRV), []string{right}) {
		s.must(lab.Update(s.ctx, "update delete elsewhere."+p.domain, "update delete "+name+" SRV", "update add "+name+" 60 SRV "+right))
	}
	s.switchTo(p)
}

// faultTable collects rows from tests that run side by side.
type faultTable struct {
	mu   sync.Mutex
	rows [][]string
}

func (f *faultTable) add(row []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, row)
}

// print prints the table, partner by partner.
func (f *faultTable) print(t *testing.T, title string) {
	t.Helper()
	slices.SortStableFunc(f.rows, func(a, b []string) int { return cmp.Compare(a[0], b[0]) })
	headings := []string{"PEER", "WRONG", "REASON", "FOUND AFTER", "HEALED AFTER", "MESSAGE"}
	table(t, title, append([][]string{headings}, f.rows...))
}
