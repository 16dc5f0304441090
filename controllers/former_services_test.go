// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// serves reports what the configuration of Federation cup's server has.
func (w *world) serves(parts ...string) {
	w.t.Helper()
	config := read[corev1.ConfigMap](w, "cup-server").Data["prosody.cfg.lua"]
	for _, part := range parts {
		w.Expect(config).To(gomega.ContainSubstring(part))
	}
}

func (w *world) servesNo(parts ...string) {
	w.t.Helper()
	config := read[corev1.ConfigMap](w, "cup-server").Data["prosody.cfg.lua"]
	for _, part := range parts {
		w.Expect(config).NotTo(gomega.ContainSubstring(part))
	}
}

// ports of Federation cup's public Service.
func (w *world) ports() []string {
	w.t.Helper()
	var ports []string
	for _, port := range read[corev1.Service](w, "cup-s2s").Spec.Ports {
		ports = append(ports, fmt.Sprintf("%d to %s", port.Port, port.TargetPort.String()))
	}
	return ports
}

func withSales(fed *v1alpha1.Federation) {
	fed.Spec.Domains = append(fed.Spec.Domains, "sales.cupdomain.com")
}

func TestADomainIsServedUntilResolversHaveForgottenIt(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", withSales)
	former := []string{`VirtualHost "sales.cupdomain.com"`, `Component "conference.sales.cupdomain.com" "muc"`}
	w.serves(former...)
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = fed.Spec.Domains[:1] })
	w.zone.Fail(lame)
	for range 3 {
		w.reconcile("cup")
		w.pass(10 * time.Minute)
	}
	w.serves(former...)
	w.zone.Fail(nil)
	result := w.reconcile("cup")
	w.Expect(w.records()).NotTo(gomega.ContainElement(gomega.ContainSubstring("sales")))
	w.serves(former...)
	w.Expect(w.get("cup").Status.FormerDomains).To(gomega.HaveLen(2))
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically("<=", 301*time.Second))

	w.restartOperator()
	w.pass(299 * time.Second)
	w.reconcile("cup")
	w.serves(former...)
	w.pass(2 * time.Second)
	w.reconcile("cup")
	w.servesNo(former...)
	w.Expect(w.get("cup").Status.FormerDomains).To(gomega.BeEmpty())
	w.reconcile("cup")
	w.Expect(w.journal).To(gomega.BeEmpty())
}

func TestAGroupChatIsServedUntilResolversHaveForgottenIt(t *testing.T) {
	for name, edit := range map[string]func(*v1alpha1.Federation){
		"when it is renamed":      func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat.Subdomain = "rooms" },
		"when it is switched off": func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup")
			w.change("cup", edit)
			w.reconcile("cup")
			const rooms = `Component "conference.cupdomain.com" "muc"`
			w.serves(rooms)
			w.reconcile("cup")
			w.pass(302 * time.Second)
			w.reconcile("cup")
			w.servesNo(rooms)
			w.serves(`VirtualHost "cupdomain.com"`)
		})
	}
}

func TestAPortStaysOpenUntilResolversHaveForgottenIt(t *testing.T) {
	for name, tc := range map[string]struct {
		before, edit         func(*v1alpha1.Federation)
		meanwhile, then      []string
		listens, listensThen string
	}{
		"another port": {
			before:    func(*v1alpha1.Federation) {},
			edit:      func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Port = 15269 },
			meanwhile: []string{"15269 to s2s", "5269 to s2s"}, then: []string{"15269 to s2s"},
		},
		"no direct TLS": {
			before:    func(fed *v1alpha1.Federation) { fed.Spec.Exposure.DirectTLS = &v1alpha1.DirectTLSSpec{Port: 443} },
			edit:      func(fed *v1alpha1.Federation) { fed.Spec.Exposure.DirectTLS = nil },
			meanwhile: []string{"5269 to s2s", "443 to s2s-tls"}, then: []string{"5269 to s2s"}, listens: "s2s_direct_tls_ports",
		},
		"no clients from outside": {
			before: func(fed *v1alpha1.Federation) {
				fed.Spec.Exposure.Clients = &v1alpha1.ClientExposureSpec{DirectTLS: &v1alpha1.ClientDirectTLSSpec{}}
			},
			edit:      func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Clients = nil },
			meanwhile: []string{"5269 to s2s", "5222 to c2s", "5223 to c2s-tls"}, then: []string{"5269 to s2s"}, listens: "c2s_direct_tls_ports",
		},
		"a number with another meaning": {
			before:    func(fed *v1alpha1.Federation) { fed.Spec.Exposure.DirectTLS = &v1alpha1.DirectTLSSpec{Port: 443} },
			edit:      func(fed *v1alpha1.Federation) { fed.Spec.Exposure.DirectTLS, fed.Spec.Exposure.Port = nil, 443 },
			meanwhile: []string{"443 to s2s", "5269 to s2s"}, then: []string{"443 to s2s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWithZone(t)
			w.createReady("cup", tc.before)
			w.change("cup", tc.edit)
			w.reconcile("cup")
			w.Expect(w.ports()).To(gomega.ConsistOf(tc.meanwhile))
			w.serves(tc.listens)
			w.reconcile("cup")
			w.pass(302 * time.Second)
			w.reconcile("cup")
			w.Expect(w.ports()).To(gomega.Equal(tc.then))
			if tc.listens != "" {
				w.servesNo(tc.listens)
			}
		})
	}
}

func TestAFormerDomainSurvivesALostStatus(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", withSales)
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = fed.Spec.Domains[:1] })
	fed := w.get("cup")
	fed.Status = v1alpha1.FederationStatus{}
	w.Expect(w.api.Status().Update(t.Context(), fed)).To(gomega.Succeed())
	w.reconcile("cup")
	w.serves(`VirtualHost "sales.cupdomain.com"`, `Component "conference.sales.cupdomain.com" "muc"`)
	w.reconcile("cup")
	w.pass(302 * time.Second)
	w.reconcile("cup")
	w.servesNo("sales.cupdomain.com")
}

func TestAClockThatWasAheadKeepsNothingFormerForLonger(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", withSales)
	right := w.now
	w.pass(10 * time.Hour)
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains, fed.Spec.Exposure.Port = fed.Spec.Domains[:1], 15269 })
	w.reconcile("cup")
	w.now = right
	w.reconcile("cup")
	w.pass(302 * time.Second)
	w.reconcile("cup")
	w.servesNo("sales.cupdomain.com")
	w.Expect(w.ports()).To(gomega.Equal([]string{"15269 to s2s"}))
}

func TestTwoFederationsSwapTheirDomainsByThemselves(t *testing.T) {
	w := newWorldWithZone(t)
	bring := func(name string, domain, host v1alpha1.DomainName, address string) {
		w.create(name, whenServing, withHostname(host), func(fed *v1alpha1.Federation) {
			fed.Spec.Domains, fed.Spec.Server.GroupChat = []v1alpha1.DomainName{domain}, nil
		})
		w.reconcile(name)
		w.assignAddress(name, address)
		w.runServer(name)
		w.reconcile(name)
		w.reconcile(name)
	}
	bring("cup", "a.cupdomain.com", "h1.cupdomain.com", "203.0.113.1")
	bring("two", "b.cupdomain.com", "h2.cupdomain.com", "203.0.113.2")
	w.expectCondition(w.get("two"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains[0] = "b.cupdomain.com" })
	w.change("two", func(fed *v1alpha1.Federation) { fed.Spec.Domains[0] = "a.cupdomain.com" })
	for range 4 {
		w.reconcile("cup")
		w.reconcile("two")
		w.serves(`VirtualHost "a.cupdomain.com"`, `VirtualHost "b.cupdomain.com"`)
		w.pass(time.Second)
	}
	w.Expect(w.records()).To(gomega.ContainElements(
		"_xmpp-server._tcp.b.cupdomain.com. 300 SRV 0 0 5269 h1.cupdomain.com.",
		"_xmpp-server._tcp.a.cupdomain.com. 300 SRV 0 0 5269 h2.cupdomain.com."))
	w.pass(302 * time.Second)
	w.reconcile("cup")
	w.servesNo("a.cupdomain.com")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
}
