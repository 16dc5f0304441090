// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// The idle operator writes nothing, neither to Kubernetes nor to the DNS.
func TestIdle(t *testing.T) {
	needs(t, exclusive(theOperator, publicDNS), shared(reference, gmail.server()))
	s, _ := cup(t)
	idle := newAllowedSite(t)
	fed, stuck := idle.federation("idle."+zone), withoutPods(idle.federation("stuck."+zone))
	idle.create(fed, stuck)
	idle.awaitReady(fed)
	idle.await(stuck, soon, v1alpha1.ConditionServerReady, metav1.ConditionFalse, v1alpha1.ReasonUnschedulable)
	idle.awaitPublished(stuck)

	const operator = `"username":"system:serviceaccount:` + operatorNamespace
	written := s.watchLog(lab.AuditLog, operator)
	// The name servers of a zone are looked at once a minute, so their newest serial numbers may come that late.
	const settled = 70 * time.Second
	s.Eventually(func() int {
		before := len(idle.writes(written()))
		quiet, stop := contextWithin(s, settled)
		defer stop()
		<-quiet.Done()
		return len(idle.writes(written())) - before
	}, 6*time.Minute, time.Millisecond).Should(BeZero(), "writes within "+settled.String()+" after everything was ready")

	written, updated := s.watchLog(lab.AuditLog, operator), s.watchUpdates()
	watching, stop := contextWithin(s, *idleTime)
	defer stop()
	<-watching.Done()
	all := written()
	t.Logf("within %s at rest: %d writes to the API server (besides %d renewals of the leader's Lease and events of other tests), %d changes of the DNS",
		*idleTime, len(idle.writes(all)), len(all)-len(idle.writes(all)), len(updated()))
	s.Expect(idle.writes(all)).To(BeEmpty())
	s.Expect(updated()).To(BeEmpty())

	// Both logs would have shown a write.
	change(idle, fed, func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Port = 15269 })
	idle.awaitPublished(fed)
	s.Eventually(func() []string { return idle.writes(written()) }, soon, poll).ShouldNot(BeEmpty())
	s.Eventually(updated, soon, poll).ShouldNot(BeEmpty())
}

// writes leaves out the renewals of the Lease by which the operator shows that it lives: with leader election switched
// on they are its purpose. It also leaves out events of other tests' Federations, which are gone: client-go notes how often an event was
// repeated six minutes after the last time.
func (s *site) writes(lines []string) []string {
	var all []string
	for _, line := range lines {
		lease, event := strings.Contains(line, `"resource":"leases"`), strings.Contains(line, `"requestURI":"/apis/events.k8s.io/`)
		here := strings.Contains(line, "/namespaces/"+s.namespace+"/") || strings.Contains(line, "/namespaces/chat/")
		if !lease && (!event || here) {
			all = append(all, line)
		}
	}
	return all
}
