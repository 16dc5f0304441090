// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"

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
			continue // Only Kubernetes reads it.
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
