// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// party is who speaks with the server: a pod in a namespace, or an address outside of the cluster.
type party struct{ namespace, address string }

// allowed evaluates one direction of a NetworkPolicy as its API documents it: a flow is allowed when one rule has the
// party among its peers (no peers: everyone) and the port among its ports (no ports: all).
func allowed(t *testing.T, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, who party, port string) bool {
	t.Helper()
	protocol, number := cutSpace(port)
	onPort := len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		return strings.EqualFold(string(*p.Protocol), protocol) && p.Port.String() == number
	})
	isPeer := len(peers) == 0 || slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool { return matches(t, p, who) })
	return onPort && isPeer
}

func matches(t *testing.T, peer networkingv1.NetworkPolicyPeer, who party) bool {
	t.Helper()
	if peer.IPBlock != nil {
		block := netip.MustParsePrefix(peer.IPBlock.CIDR)
		return who.address != "" && block.Contains(netip.MustParseAddr(who.address))
	}
	if peer.PodSelector != nil {
		t.Fatal("this evaluation knows no pod selectors yet")
	}
	selector, err := metav1.LabelSelectorAsSelector(peer.NamespaceSelector)
	if err != nil {
		t.Fatal(err)
	}
	return who.namespace != "" && selector.Matches(labels.Set{corev1.LabelMetadataName: who.namespace})
}

func TestNetworkPolicyAllowsWhatFederationNeedsAndNothingElse(t *testing.T) {
	partner, node := party{address: "203.0.113.20"}, party{address: "10.0.0.7"}
	inRange, operator, other := party{address: "198.51.100.20"}, party{namespace: operatorNamespace}, party{namespace: "shop"}
	restricted := full()
	behindNode := full()
	behindNode.Spec.Exposure.LoadBalancer.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
	routed := full()
	routed.Spec.Peers = []v1alpha1.Peer{{Domain: "talk.example", Route: &v1alpha1.PeerRoute{Host: "203.0.113.20", Port: 15269}}}
	named := full()
	named.Spec.Peers = []v1alpha1.Peer{
		{Domain: "talk.example", Route: &v1alpha1.PeerRoute{Host: "xmpp.talk.example", Port: 15269, AddressRanges: []string{"203.0.113.0/24"}}},
		{Domain: "old.example", Route: &v1alpha1.PeerRoute{Host: "xmpp.old.example", Port: 25269}},
	}
	denied := full()
	denied.Spec.Peers = []v1alpha1.Peer{{
		Domain: "talk.example", Access: v1alpha1.PeerAccessDeny, Route: &v1alpha1.PeerRoute{Host: "203.0.113.20", Port: 15269},
	}}
	open := minimal()
	open.Spec.Exposure.DirectTLS = &v1alpha1.DirectTLSSpec{Port: 5270}
	open.Spec.Exposure.Clients = &v1alpha1.ClientExposureSpec{Port: 5222, DirectTLS: &v1alpha1.ClientDirectTLSSpec{Port: 5223}}
	for name, test := range map[string]struct {
		fed     *v1alpha1.Federation
		ingress bool
		who     party
		port    string
		want    bool
	}{
		"a partner reaches the server-to-server port":                    {minimal(), true, partner, "tcp 5269", true},
		"a pod of another namespace reaches it":                          {minimal(), true, other, "tcp 5269", true},
		"the operator reaches it":                                        {minimal(), true, operator, "tcp 5269", true},
		"a partner reaches no client port":                               {minimal(), true, partner, "tcp 5222", false},
		"a client in the cluster reaches the client port":                {minimal(), true, other, "tcp 5222", true},
		"a partner reaches no control port":                              {minimal(), true, partner, "tcp 5280", false},
		"a pod of another namespace reaches no control port":             {minimal(), true, other, "tcp 5280", false},
		"the operator reaches the control port":                          {minimal(), true, operator, "tcp 5280", true},
		"nobody reaches another port":                                    {minimal(), true, operator, "tcp 22", false},
		"nobody reaches the server-to-server port by UDP":                {minimal(), true, partner, "udp 5269", false},
		"with source ranges and policy Local, who is in one reaches it":  {restricted, true, inRange, "tcp 5269", true},
		"with source ranges and policy Local, a stranger does not":       {restricted, true, partner, "tcp 5269", false},
		"with source ranges and policy Local, the operator does":         {restricted, true, operator, "tcp 5269", true},
		"with source ranges and policy Local, other pods do not":         {restricted, true, other, "tcp 5269", false},
		"with policy Cluster the pod sees nodes, which must pass":        {behindNode, true, node, "tcp 5269", true},
		"a partner reaches no port for direct TLS unless there is one":   {minimal(), true, partner, "tcp 5270", false},
		"with direct TLS it does":                                        {open, true, partner, "tcp 5270", true},
		"with clients from outside they reach the client port":           {open, true, partner, "tcp 5222", true},
		"and theirs for direct TLS":                                      {open, true, partner, "tcp 5223", true},
		"the server reaches partners":                                    {minimal(), false, partner, "tcp 5269", true},
		"the server reaches partners by direct TLS":                      {minimal(), false, partner, "tcp 5270", true},
		"the server reaches a partner where a route leads":               {routed, false, partner, "tcp 15269", true},
		"a route opens its port to its address alone":                    {routed, false, inRange, "tcp 15269", false},
		"a route by name opens its port to its ranges":                   {named, false, partner, "tcp 15269", true},
		"a route by name opens its port to nobody else":                  {named, false, inRange, "tcp 15269", false},
		"a route by name without ranges opens no port":                   {named, false, partner, "tcp 25269", false},
		"a route of a partner that is denied opens no port":              {denied, false, partner, "tcp 15269", false},
		"without a route it does not":                                    {minimal(), false, partner, "tcp 15269", false},
		"the server reaches DNS by UDP":                                  {minimal(), false, other, "udp 53", true},
		"the server reaches DNS by TCP":                                  {minimal(), false, other, "tcp 53", true},
		"the server reaches no web server":                               {minimal(), false, partner, "tcp 443", false},
		"the server reaches no Kubernetes API":                           {minimal(), false, node, "tcp 6443", false},
		"the server reaches no cloud metadata":                           {minimal(), false, party{address: "169.254.169.254"}, "tcp 80", false},
		"source ranges bind partners, not the server's own connections":  {restricted, false, partner, "tcp 5269", true},
		"with source ranges the control port stays closed to the ranges": {restricted, true, inRange, "tcp 5280", false},
	} {
		t.Run(name, func(t *testing.T) {
			spec := desired.NetworkPolicy(test.fed, operatorNamespace).Spec
			got := false
			for _, rule := range spec.Ingress {
				got = got || test.ingress && allowed(t, rule.From, rule.Ports, test.who, test.port)
			}
			for _, rule := range spec.Egress {
				got = got || !test.ingress && allowed(t, rule.To, rule.Ports, test.who, test.port)
			}
			if got != test.want {
				t.Errorf("allowed: %v", got)
			}
		})
	}
}

func TestNetworkPolicyCoversThePodsInBothDirections(t *testing.T) {
	fed := minimal()
	spec := desired.NetworkPolicy(fed, operatorNamespace).Spec
	selector, err := metav1.LabelSelectorAsSelector(&spec.PodSelector)
	if err != nil {
		t.Fatal(err)
	}
	if !selector.Matches(labels.Set(desired.StatefulSet(fed, stubEngine{}, image).Spec.Template.Labels)) {
		t.Error("the policy does not select the server's pods")
	}
	if selector.Empty() || selector.Matches(labels.Set{"app": "other"}) {
		t.Error("the policy selects pods of others")
	}
	for _, direction := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
		if !slices.Contains(spec.PolicyTypes, direction) {
			t.Errorf("direction %s is not restricted", direction)
		}
	}
}

// cutSpace parts "a b".
func cutSpace(text string) (before, after string) {
	before, after, _ = strings.Cut(text, " ")
	return before, after
}

// splitList parts "a, b"; an empty text has no items.
func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ", ")
}
