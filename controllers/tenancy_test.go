// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// A namespace may publish in cupdomain.com, but not in the zone below it. Whatever field of a Federation holds a name of
// that zone, or of one that nobody has, no such name gets into the DNS.
func TestNoFieldOfAFederationPublishesANameOutsideTheAllowance(t *testing.T) {
	w := newWorldWithZone(t)
	w.createZone("conference-cupdomain-com", &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"nobody": "has-this"}})
	w.reconcileZone("conference-cupdomain-com")
	w.create("cup", func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat = nil })
	w.reconcile("cup")
	w.assignAddress("cup", publicAddress)
	w.reconcile("cup")
	tried, accepted := 0, 0
	for _, leaf := range specLeaves(w, "federations") {
		if strings.HasPrefix(leaf.path, "spec.server.podTemplate.") {
			continue // Only Kubernetes reads it, and ExternalDNS its annotations.
		}
		for _, name := range []string{"stolen.conference.cupdomain.com", "stolen.example.org", "conference.cupdomain.com"} {
			tried++
			spec := baseSpec(w, "Federation")
			leaf.set(spec, name)
			if !w.updateSpec(spec) {
				continue
			}
			accepted++
			_, err := w.tryReconcile(w.key("cup"))
			w.Expect(err).NotTo(gomega.HaveOccurred(), leaf.path)
			for _, record := range w.zone.Dump() {
				w.Expect(record).NotTo(gomega.Or(gomega.ContainSubstring("stolen"), gomega.ContainSubstring("conference.")),
					"%s with %s", leaf.path, name)
			}
		}
	}
	w.Expect(accepted).To(gomega.BeNumerically(">", 10))
	t.Logf("%d foreign names in fields: admission refused %d, none of the others got into the DNS", tried, tried-accepted)
}

// An ExternalDNS in the cluster publishes what it reads in annotations of Services and pods, whatever DNSZones allow. Whoever may
// write Federations but not Services must not get at it by way of the operator.
func TestNoFieldOfAFederationHandsANameToExternalDNS(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	keys := []string{
		"external-dns.kubernetes.io/hostname", "external-dns.alpha.kubernetes.io/hostname",
		"external-dns.alpha.kubernetes.io/internal-hostname", "external-dns.alpha.kubernetes.io/target",
	}
	tried, accepted := 0, 0
	for _, leaf := range specLeaves(w, "federations") {
		if !strings.HasSuffix(leaf.path, asKey) {
			continue
		}
		for _, key := range keys {
			tried++
			spec := baseSpec(w, "Federation")
			leaf.set(spec, key)
			if !w.updateSpec(spec) {
				continue
			}
			accepted++
			_, err := w.tryReconcile(w.key("cup"))
			w.Expect(err).NotTo(gomega.HaveOccurred(), leaf.path)
			for _, annotations := range w.annotations() {
				w.Expect(annotations).NotTo(gomega.HaveKey(key), leaf.path)
			}
		}
	}
	w.Expect(accepted).To(gomega.BeNumerically(">", 0), "maps that are not for annotations may have such keys")
	t.Logf("%d keys of ExternalDNS in maps: admission refused %d, none of the others got into annotations", tried, tried-accepted)
}

// annotations are those of everything that ExternalDNS may read in the test's namespace.
func (w *world) annotations() []map[string]string {
	w.t.Helper()
	var services corev1.ServiceList
	var sets appsv1.StatefulSetList
	w.Expect(w.api.List(w.t.Context(), &services, client.InNamespace(w.namespace))).To(gomega.Succeed())
	w.Expect(w.api.List(w.t.Context(), &sets, client.InNamespace(w.namespace))).To(gomega.Succeed())
	w.Expect(services.Items).NotTo(gomega.BeEmpty())
	w.Expect(sets.Items).NotTo(gomega.BeEmpty())
	var all []map[string]string
	for _, service := range services.Items {
		all = append(all, service.Annotations)
	}
	for _, set := range sets.Items {
		all = append(all, set.Annotations, set.Spec.Template.Annotations)
	}
	return all
}
