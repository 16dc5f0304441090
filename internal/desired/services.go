// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// HeadlessService gives the pods their names. It lists pods that are not ready as well, because members of a cluster
// have to find each other before they are.
func HeadlessService(fed *v1alpha1.Federation) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: objectMeta(fed, HeadlessServiceName(fed)),
		Spec: corev1.ServiceSpec{
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true,
			Selector:                 SelectorLabels(fed),
			Ports:                    []corev1.ServicePort{servicePort(engine.PortS2S, engine.PortNumberS2S)},
		},
	}
}

// PublicService gets the public address and maps the public port to the server's, the role of a firewall's NAT.
func PublicService(fed *v1alpha1.Federation) *corev1.Service {
	lb := fed.Spec.Exposure.LoadBalancer
	meta := objectMeta(fed, PublicServiceName(fed))
	meta.Annotations = merge(lb.Annotations)
	return &corev1.Service{
		ObjectMeta: meta,
		Spec: corev1.ServiceSpec{
			Type:                     corev1.ServiceTypeLoadBalancer,
			LoadBalancerClass:        lb.Class,
			IPFamilyPolicy:           lb.IPFamilyPolicy,
			LoadBalancerSourceRanges: lb.SourceRanges,
			ExternalTrafficPolicy:    lb.ExternalTrafficPolicy,
			Selector:                 SelectorLabels(fed),
			Ports:                    publicPorts(fed),
		},
	}
}

// publicPorts are those that others reach the server by. Ports that service records may still lead to stay, behind those that the
// spec wants.
func publicPorts(fed *v1alpha1.Federation) []corev1.ServicePort {
	ports := wantedPorts(fed)
	for _, former := range fed.Status.FormerPorts {
		wanted := func(port corev1.ServicePort) bool { return port.Port == former.Port }
		if !slices.ContainsFunc(ports, wanted) {
			port := servicePort(former.Target, former.Port)
			port.Name = fmt.Sprintf("%s-%d", former.Target, former.Port)
			ports = append(ports, port)
		}
	}
	return ports
}

// wantedPorts are the public ports of the spec.
func wantedPorts(fed *v1alpha1.Federation) []corev1.ServicePort {
	ports := []corev1.ServicePort{servicePort(engine.PortS2S, fed.Spec.Exposure.Port)}
	if direct := fed.Spec.Exposure.DirectTLS; direct != nil {
		ports = append(ports, servicePort(engine.PortS2STLS, direct.Port))
	}
	if clients := fed.Spec.Exposure.Clients; clients != nil {
		ports = append(ports, servicePort(engine.PortC2S, clients.Port))
	}
	if direct := clientDirectTLS(fed); direct != nil {
		ports = append(ports, servicePort(engine.PortC2STLS, direct.Port))
	}
	return ports
}

// ClientService lets clients inside the cluster log in.
func ClientService(fed *v1alpha1.Federation) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: objectMeta(fed, ClientServiceName(fed)),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: SelectorLabels(fed),
			Ports:    []corev1.ServicePort{servicePort(engine.PortC2S, engine.PortNumberC2S)},
		},
	}
}

// servicePort maps a port of a Service to the container port of the same name.
func servicePort(name string, port int32) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Protocol: corev1.ProtocolTCP, Port: port, TargetPort: intstr.FromString(name)}
}
