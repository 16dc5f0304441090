// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// dnsPort is the port of DNS (RFC 1035 section 4.2).
const dnsPort = 53

// NetworkPolicy is the firewall of the pods: partners, and clients outside where
// spec.exposure.clients lets them, reach the public ports, clients inside the cluster the
// client port, the operator in its namespace the control port; the server reaches partners and DNS, nothing else.
func NetworkPolicy(fed *v1alpha1.Federation, operatorNamespace string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: objectMeta(fed, StatefulSetName(fed)),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: SelectorLabels(fed)},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{From: partnerPeers(fed, operatorNamespace), Ports: tcp(publicPortNumbers(fed)...)},
				{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}, Ports: tcp(engine.PortNumberC2S)},
				{From: []networkingv1.NetworkPolicyPeer{namespacePeer(operatorNamespace)}, Ports: tcp(engine.PortNumberHTTP)},
			},
			Egress: append([]networkingv1.NetworkPolicyEgressRule{
				{Ports: tcp(engine.PortNumberS2S, engine.PortNumberS2STLS)},
				{Ports: append(tcp(dnsPort), networkPolicyPort(corev1.ProtocolUDP, dnsPort))},
			}, routes(fed)...),
		},
	}
}

// publicPortNumbers are those that are connected to from outside.
func publicPortNumbers(fed *v1alpha1.Federation) []int32 {
	ports := []int32{engine.PortNumberS2S}
	if opens(fed, engine.PortS2STLS) {
		ports = append(ports, engine.PortNumberS2STLS)
	}
	if opens(fed, engine.PortC2S) {
		ports = append(ports, engine.PortNumberC2S)
	}
	if opens(fed, engine.PortC2STLS) {
		ports = append(ports, engine.PortNumberC2STLS)
	}
	return ports
}

// routes let the server reach partners at the places and ports of spec.peers[].route, and nothing else at the port.
func routes(fed *v1alpha1.Federation) []networkingv1.NetworkPolicyEgressRule {
	var rules []networkingv1.NetworkPolicyEgressRule
	for _, peer := range fed.Spec.Peers {
		if peer.Route == nil || peer.Access == v1alpha1.PeerAccessDeny || peer.Route.Port == engine.PortNumberS2S ||
			peer.Route.Port == engine.PortNumberS2STLS {
			continue
		}
		ranges := peer.Route.AddressRanges
		if address, err := netip.ParseAddr(peer.Route.Host); err == nil {
			ranges = []string{netip.PrefixFrom(address, address.BitLen()).String()}
		}
		if len(ranges) == 0 { // a rule without destinations would open the port to everywhere
			continue
		}
		rule := networkingv1.NetworkPolicyEgressRule{Ports: tcp(peer.Route.Port)}
		for _, block := range ranges {
			rule.To = append(rule.To, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: block}})
		}
		rules = append(rules, rule)
	}
	return rules
}

// partnerPeers are those who may connect from outside; none listed means everyone. With the external
// traffic policy Cluster the pod sees a node's address in place of the partner's, so the source ranges can only be
// enforced by the load balancer; with Local the pods enforce them as well.
func partnerPeers(fed *v1alpha1.Federation, operatorNamespace string) []networkingv1.NetworkPolicyPeer {
	lb := fed.Spec.Exposure.LoadBalancer
	if len(lb.SourceRanges) == 0 || lb.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		return nil
	}
	peers := []networkingv1.NetworkPolicyPeer{namespacePeer(operatorNamespace)}
	for _, cidr := range lb.SourceRanges {
		peers = append(peers, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr}})
	}
	return peers
}

func namespacePeer(namespace string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
	}
}

func tcp(ports ...int32) []networkingv1.NetworkPolicyPort {
	rules := make([]networkingv1.NetworkPolicyPort, 0, len(ports))
	for _, port := range ports {
		rules = append(rules, networkPolicyPort(corev1.ProtocolTCP, port))
	}
	return rules
}

func networkPolicyPort(protocol corev1.Protocol, port int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: ptr.To(intstr.FromInt32(port))}
}
