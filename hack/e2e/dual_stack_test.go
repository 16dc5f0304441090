// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/hack/e2e/faults"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/check"
)

const (
	// secondaryByIPv6 is where those ask who have IPv6 only.
	secondaryByIPv6 = "2001:db8:113::54"
	// gmailByIPv6 is the other address of the partner's host.
	gmailByIPv6 = "2001:db8:113::20"
)

// A Federation with both IP families has a public address and a record of each; a partner that has nothing but IPv6 talks with
// it, in both directions; a family that fails is named; and one that goes takes only its own record along.
func TestDualStack(t *testing.T) {
	needs(t, usual, exclusive(gmail.server()))
	s := newAllowedSite(t)
	const domain = "dualstack." + zone
	s.onlyIPv6(gmail, gmailByIPv6)
	fed := s.peered(domain, shortInterval, func(spec *v1alpha1.FederationSpec) {
		spec.Exposure.LoadBalancer.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicyPreferDualStack)
		spec.Peers = []v1alpha1.Peer{gmail.peer()}
	})
	s.awaitPeers(fed, peersWithin)
	v4, v6 := s.publicAddresses(fed)
	s.Expect(fed.Status.Addresses).To(Equal([]string{v4, v6}))
	s.hasAddresses(domain, v4, v6)
	s.mentions(s.await(fed, soon, v1alpha1.ConditionInboundReachable, metav1.ConditionTrue, v1alpha1.ReasonReachable).Message, v4, v6)

	alice, user := s.loginTo(fed, "alice"), s.login(gmail.account())
	s.must(conversation.Hold(s.ctx, alice, user, t.Output()))
	for _, stream := range s.sessions(fed) { // both directions, TLS 1.3, proven by certificates
		s.Expect(stream.Family).To(Equal("IPv6"), "%+v", stream)
	}

	s.failsByIPv6Alone(fed, v4, v6)
	s.losesIPv6(fed, v4)
}

// failsByIPv6Alone drops what comes in by IPv6. Before, a stranger outside gets as far as the certificate by both families.
func (s *site) failsByIPv6Alone(fed *v1alpha1.Federation, v4, v6 string) {
	s.Helper()
	doctor, at4, at6 := s.doctor(), v4+":5269", "["+v6+"]:5269"
	results := s.examine(doctor, fed)
	for _, at := range []string{at4, at6} {
		for _, id := range []check.ID{check.TCP, check.Handshake, check.Certificate} {
			s.Expect(verdicts(results, id, at)).To(ConsistOf(check.Pass), "%s at %s: %+v", id, at, results)
		}
	}
	undo, err := faults.Filter("node", "chain before { type filter hook prerouting priority -300; ip6 daddr "+v6+" tcp dport 5269 drop; }")(s.ctx)
	s.must(err)
	s.mentions(s.await(fed, foundWithin, v1alpha1.ConditionInboundReachable, metav1.ConditionFalse, v1alpha1.ReasonConnectionTimeout).Message,
		at6+": TCP connections by IPv6 get no answer", "to go without IPv6, set spec.exposure.loadBalancer.ipFamilyPolicy to SingleStack")
	results = s.examine(doctor, fed)
	s.Expect(verdicts(results, check.TCP, at6)).To(ConsistOf(check.Fail))
	s.Expect(verdicts(results, check.TCP, at4)).To(ConsistOf(check.Pass))
	s.must(undo(s.ctx))
	s.await(fed, healedWithin, v1alpha1.ConditionInboundReachable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
}

// losesIPv6 has first the cloud take the address away, then the Federation do without. The other address stays.
func (s *site) losesIPv6(fed *v1alpha1.Federation, v4 string) {
	s.Helper()
	domain := string(fed.Spec.Domains[0])
	uid := s.publicService(fed).UID
	change(s, fed, func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.LoadBalancer.Annotations = map[string]string{"lab.xmppfed.io/no-address": "IPv6"}
	})
	s.Eventually(func() []string { s.condition(fed, v1alpha1.ConditionReady); return fed.Status.Addresses }, soon, poll).Should(Equal([]string{v4}))
	s.mentions(s.await(fed, soon, v1alpha1.ConditionAddressAssigned, metav1.ConditionTrue, v1alpha1.ReasonAssigned).Message,
		v4, "gave no IPv6 address")
	s.hasAddresses(domain, v4)

	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Exposure.LoadBalancer.Annotations = nil })
	s.Eventually(func() []string { s.condition(fed, v1alpha1.ConditionReady); return fed.Status.Addresses }, soon, poll).Should(HaveLen(2))
	_, v6 := s.publicAddresses(fed)
	s.hasAddresses(domain, v4, v6)

	change(s, fed, func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.LoadBalancer.IPFamilyPolicy = ptr.To(corev1.IPFamilyPolicySingleStack)
	})
	s.hasAddresses(domain, v4)
	s.awaitReady(fed)
	s.Expect(s.publicService(fed).UID).To(Equal(uid))
}

// onlyIPv6 leaves a partner nothing but IPv6, for streams between servers, until the test ends.
func (s *site) onlyIPv6(p partner, address string) {
	s.Helper()
	undo, err := faults.All(
		faults.Records(map[string][]string{"xmpp." + p.domain + " A": nil, "xmpp." + p.domain + " AAAA": {address}}),
		faults.Filter(p.name, `chain in { type filter hook input priority 0; iifname eth0 ip daddr `+p.address+` tcp dport 5269 reject with tcp reset; }
			chain out { type filter hook output priority 0; oifname eth0 ip daddr 203.0.113.128/25 reject; }`),
	)(s.ctx)
	s.Cleanup(func() {
		if undo != nil {
			s.must(undo(s.ctx))
		}
		s.switchTo(p) // it forgets what it looked up
	})
	s.must(err)
	s.switchTo(p)
}

// publicAddresses are those of the Service, one of each family.
func (s *site) publicAddresses(fed *v1alpha1.Federation) (v4, v6 string) {
	s.Helper()
	ingress := s.publicService(fed).Status.LoadBalancer.Ingress
	s.Expect(ingress).To(HaveLen(2))
	s.Expect(ingress[0].IP).To(HavePrefix("203.0.113."))
	s.Expect(ingress[1].IP).To(HavePrefix("2001:db8:128:"))
	return ingress[0].IP, ingress[1].IP
}

// hasAddresses makes sure that the host name comes to have exactly these addresses, as dig shows outside, by IPv4 and by IPv6.
func (s *site) hasAddresses(domain string, addresses ...string) {
	s.Helper()
	slices.Sort(addresses)
	for _, server := range []string{strings.TrimSuffix(lab.Primary, ":53"), secondaryByIPv6} {
		s.Eventually(func() []string {
			var found []string
			for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
				found = append(found, strings.Fields(s.lab("exec", faults.Outside, "--",
					"dig", "+short", "@"+server, "xmpp."+domain, dns.TypeToString[kind]))...)
			}
			slices.Sort(found)
			return found
		}, soon, poll).Should(Equal(addresses), "at "+server)
	}
}

// examine has doctor look at a Federation's domain from outside.
func (s *site) examine(doctor faults.Doctor, fed *v1alpha1.Federation) []check.Result {
	s.Helper()
	results, err := doctor.Examine(s.ctx, string(fed.Spec.Domains[0]), "--resolver", lab.Primary)
	s.must(err)
	return results
}

// verdicts are those of one check about one subject.
func verdicts(results []check.Result, id check.ID, subject string) []check.Mark {
	var marks []check.Mark
	for _, r := range results {
		if r.ID == id && r.Subject == subject {
			marks = append(marks, r.Mark)
		}
	}
	return marks
}
