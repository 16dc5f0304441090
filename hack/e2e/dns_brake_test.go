// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

const (
	brakeZone = "brake.example"
	// brakeCrowd is how many Federations have records in it, of which a tenth may lose them within ten minutes.
	brakeCrowd  = 200
	brakeLosers = brakeCrowd / 10
	// brakeKills is how often the operator is killed while it would remove records, after at most brakeLongestLife.
	brakeKills       = 10
	brakeLongestLife = 4 * time.Second
	// brakeSettled is generous for all of them together; what it took is told.
	brakeSettled = 3 * time.Minute
)

// Three mistakes with a zone of 200 Federations: the selector of its DNSZone is emptied, the DNSZone is deleted, all
// Federations are deleted. The first two remove nothing, not even when the operator restarts meanwhile; the brake, of which the
// DNSZone says nothing, stops the third, however often the operator dies. Status says what is wrong, and putting it right leaves
// the zone as it was, byte for byte but for its serial.
func TestDNSBrake(t *testing.T) {
	s := newStage(t, map[string]string{brakeZone: "www A 203.0.113.7\nmail MX 10 www\n"})
	s.put(brakedZone())
	began := time.Now()
	s.putCrowd()
	s.awaitCrowd(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonPublished, brakeCrowd)
	whole := s.named.Dump(brakeZone)
	t.Logf("%d Federations published %d records in %.1f s", brakeCrowd, len(whole), time.Since(began).Seconds())

	s.emptySelector(whole)
	s.deleteZone(whole)
	s.deleteCrowd(whole)
	s.restoreCrowd(whole)
}

// brakedZone is a DNSZone that says nothing of a brake.
func brakedZone() *v1alpha1.DNSZone {
	zone := stageZone(brakeZone, stageServer)
	zone.Spec.Brake = v1alpha1.RemovalBrake{}
	return zone
}

// brakeMember is a Federation of the crowd.
func brakeMember(i int) *v1alpha1.Federation {
	return stageFederation(fmt.Sprintf("member%03d", i), fmt.Sprintf("member%03d.%s", i, brakeZone))
}

func (s *stage) putCrowd() {
	s.Helper()
	for i := range brakeCrowd {
		s.put(brakeMember(i))
	}
}

// awaitCrowd waits until a condition of so many Federations has the reason, and returns one of its messages.
func (s *stage) awaitCrowd(conditionType, reason string, count int) string {
	s.Helper()
	var message string
	s.Eventually(func() map[string]int {
		var all v1alpha1.FederationList
		if err := s.api.List(s.Context(), &all, client.InNamespace(stageNamespace)); err != nil {
			return map[string]int{err.Error(): 1}
		}
		reasons := map[string]int{}
		for i := range all.Items {
			found := says(all.Items[i].Status.Conditions, conditionType, all.Items[i].Generation)
			reasons[found.Reason]++
			if found.Reason == reason {
				message = found.Message
			}
		}
		return reasons
	}, brakeSettled, stageLook).Should(HaveKeyWithValue(reason, count), "reasons of "+conditionType)
	return message
}

func (s *stage) expectZone(whole []string, what string) {
	s.Helper()
	s.Expect(s.named.Dump(brakeZone)).To(Equal(whole), "the zone "+what)
}

// emptySelector by mistake: nobody may publish in the zone any more.
func (s *stage) emptySelector(whole []string) {
	s.Helper()
	zone := stageZone(brakeZone, stageServer)
	selected := zone.Spec.Namespaces
	s.Expect(edit(s.Context(), s.api, zone, func(zone *v1alpha1.DNSZone) { zone.Spec.Namespaces = nil })).To(Succeed())
	s.Logf("selector emptied: %s", s.awaitCrowd(v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainNotAllowed, brakeCrowd))
	s.expectZone(whole, "after its selector was emptied")
	s.operator.Kill()
	s.Expect(s.operator.Start()).To(Succeed())
	s.Expect(s.operator.Ready(s.Context())).To(Succeed())
	s.awaitZone(v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	s.expectZone(whole, "after the operator restarted")

	s.Expect(edit(s.Context(), s.api, zone, func(zone *v1alpha1.DNSZone) { zone.Spec.Namespaces = selected })).To(Succeed())
	s.awaitCrowd(v1alpha1.ConditionAccepted, v1alpha1.ReasonAccepted, brakeCrowd)
	s.awaitCrowd(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonPublished, brakeCrowd)
	s.expectZone(whole, "after the selector was put back")
}

// deleteZone by mistake, and create it again.
func (s *stage) deleteZone(whole []string) {
	s.Helper()
	s.Expect(s.api.Delete(s.Context(), stageZone(brakeZone, stageServer))).To(Succeed())
	s.Logf("DNSZone deleted: %s", s.awaitCrowd(v1alpha1.ConditionAccepted, v1alpha1.ReasonZoneNotFound, brakeCrowd))
	s.expectZone(whole, "after its DNSZone was deleted")

	s.put(brakedZone())
	s.awaitCrowd(v1alpha1.ConditionAccepted, v1alpha1.ReasonAccepted, brakeCrowd)
	s.awaitCrowd(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonPublished, brakeCrowd)
	s.expectZone(whole, "after the DNSZone was created again")
}

// deleteCrowd by mistake: all but a tenth keep their records, though the operator is killed again and again, and both DNSZone and
// Federations say so.
func (s *stage) deleteCrowd(whole []string) {
	s.Helper()
	s.Expect(s.api.DeleteAllOf(s.Context(), &v1alpha1.Federation{}, client.InNamespace(stageNamespace))).To(Succeed())
	for range brakeKills {
		s.Expect(s.operator.Ready(s.Context())).To(Succeed())
		// Where in its work it dies is left to chance.
		alive := time.NewTimer(rand.N(brakeLongestLife))
		<-alive.C
		s.operator.Kill()
		s.Expect(s.operator.Start()).To(Succeed())
	}
	message := s.awaitCrowd(v1alpha1.ConditionReady, v1alpha1.ReasonRemovalsPaused, brakeCrowd-brakeLosers)
	s.Logf("%d Federations deleted: %s", brakeCrowd, message)
	s.awaitZone(v1alpha1.ConditionRemovalsPaused, v1alpha1.ReasonRemovalsPaused)

	standing := map[string]int{}
	for _, record := range s.named.Dump(brakeZone) {
		s.Expect(whole).To(ContainElement(record), "what stands is as it was, but for the indexes of those that lost records")
		if strings.HasPrefix(record, "_xmpp-server._tcp.") {
			standing["service records"]++
		}
	}
	s.Expect(standing).To(HaveKeyWithValue("service records", brakeCrowd-brakeLosers))
}

// restoreCrowd ends the deletions without touching records and creates the Federations again.
func (s *stage) restoreCrowd(whole []string) {
	s.Helper()
	for i := range brakeCrowd {
		err := edit(s.Context(), s.api, brakeMember(i), func(fed *v1alpha1.Federation) {
			fed.Spec.DNS.DeletionPolicy = v1alpha1.DeletionPolicyRetain
		})
		s.Expect(client.IgnoreNotFound(err)).To(Succeed())
	}
	s.Eventually(func() []v1alpha1.Federation {
		var left v1alpha1.FederationList
		s.Expect(s.api.List(s.Context(), &left, client.InNamespace(stageNamespace))).To(Succeed())
		return left.Items
	}, brakeSettled, stageLook).Should(BeEmpty(), "deletions to end")
	s.putCrowd()
	s.awaitCrowd(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonPublished, brakeCrowd)
	s.expectZone(whole, "after the Federations were created again")
	s.Logf("all %d records stand as in the beginning, byte for byte", len(whole))
}

// awaitZone waits until a condition of the DNSZone is true with the reason.
func (s *stage) awaitZone(conditionType, reason string) {
	s.Helper()
	zone := stageZone(brakeZone, stageServer)
	s.Eventually(func() string {
		if err := s.api.Get(s.Context(), keyOf(zone), zone); err != nil {
			return err.Error()
		}
		found := meta.FindStatusCondition(zone.Status.Conditions, conditionType)
		if found == nil || found.Status != metav1.ConditionTrue {
			return ""
		}
		return found.Reason
	}, brakeSettled, stageLook).Should(Equal(reason), conditionType+" of DNSZone "+zone.Name)
}
