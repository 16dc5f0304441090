// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
)

func TestWhatIsFormerIsServedBesideWhatIsWanted(t *testing.T) {
	fed := minimal()
	fed.Spec.Server.GroupChat = &v1alpha1.GroupChatSpec{Subdomain: "rooms"}
	fed.Status.FormerDomains = []v1alpha1.FormerDomain{
		{Domain: "conference.cupdomain.com", GroupChat: true}, {Domain: "cup.example"}, {Domain: "rooms.cupdomain.com"},
	}
	fed.Status.FormerPorts = []v1alpha1.FormerPort{{Port: 15269, Target: "s2s"}, {Port: 443, Target: "s2s-tls"}, {Port: 5269, Target: "c2s-tls"}}
	input := desired.ServerInput(fed, "")
	former := []engine.Host{{Domain: "conference.cupdomain.com", GroupChat: true}, {Domain: "cup.example"}}
	if diff := cmp.Diff(former, input.Former); diff != "" || !input.DirectTLS || input.ClientDirectTLS {
		t.Errorf("direct TLS: %v, for clients: %v; domains (-want +got):\n%s", input.DirectTLS, input.ClientDirectTLS, diff)
	}
	var ports []string
	for _, port := range desired.PublicService(fed).Spec.Ports {
		ports = append(ports, fmt.Sprintf("%s: %d to %s", port.Name, port.Port, port.TargetPort.String()))
	}
	if diff := cmp.Diff([]string{"s2s: 5269 to s2s", "s2s-15269: 15269 to s2s", "s2s-tls-443: 443 to s2s-tls"}, ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	if got := len(desired.NetworkPolicy(fed, operatorNamespace).Spec.Ingress[0].Ports); got != 2 {
		t.Errorf("%d ports are open to partners, want those of STARTTLS and of direct TLS", got)
	}
	names := []string{"cupdomain.com", "rooms.cupdomain.com", "conference.cupdomain.com", "cup.example"}
	if diff := cmp.Diff(names, desired.CertificateNames(fed)); diff != "" {
		t.Errorf("names of the certificate (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int32{"s2s": 5269}, desired.PublicPorts(fed)); diff != "" {
		t.Errorf("ports of the spec (-want +got):\n%s", diff)
	}
	annotations := desired.ConfigMap(fed, engine.Config{Generation: "c1"}).Annotations
	if diff := cmp.Diff(map[string]string{
		desired.AnnotationDomains: "cupdomain.com,cup.example", desired.AnnotationGroupChats: "rooms.cupdomain.com,conference.cupdomain.com",
		desired.AnnotationGeneration: "c1",
	}, annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}
