// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

const (
	brakeZone = "brake.example"
	// brakeCrowd is how many Federations have records in it, of which a tenth may lose them within ten minutes.
	brakeCrowd  = 200
	brakeLosers = brakeCrowd / 10
	// brakeRecords of each: service record, address, an ownership record for either, and the index.
	brakeRecords = 5
	// brakeKills is how often the operator is killed while it would remove records, after at most brakeLongestLife.
	brakeKills       = 10
	brakeLongestLife = 4 * time.Second
	// brakeSettled is generous for all of them together; what it took is told.
	brakeSettled = 3 * time.Minute
)

// Three mistakes with a zone of 200 Federations: the selector of its DNSZone is emptied, the DNSZone is deleted, all
// Federations are deleted. The first two remove nothing, not even when the operator restarts meanwhile; the brake, of which the
// DNSZone says nothing, stops the third, however often the operator dies. Status says what is wrong, and putting it right leaves
// the zone as it was, byte for byte; after the first two even its serial, so nothing was removed and published again.
func TestDNSBrake(t *testing.T) {
	needs(t, exclusive(stageAddresses))
	b := &braked{stage: newStage(t, map[string]string{brakeZone: "www A 203.0.113.7\nmail MX 10 www\n"})}
	foreign := b.named.Dump(brakeZone)
	b.put(brakedZone())
	began := time.Now()
	b.putCrowd()
	b.awaitCrowd(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonPublished, brakeCrowd)
	b.whole = b.named.Dump(brakeZone)
	b.Expect(without(foreign, b.whole)).To(BeEmpty(), "records of others that are gone")
	b.Expect(without(b.whole, foreign)).To(HaveLen(brakeCrowd*brakeRecords), "records of the crowd")
	t.Logf("%d Federations published %d records in %.1f s", brakeCrowd, brakeCrowd*brakeRecords, time.Since(began).Seconds())

	b.emptySelector()
	b.deleteZone()
	b.deleteCrowd()
	b.restoreCrowd()
}

// braked is a stage with a zone in which a crowd of Federations has records.
type braked struct {
	*stage
	// whole is the zone as it was before the mistakes.
	whole []string
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

func (b *braked) putCrowd() {
	b.Helper()
	for i := range brakeCrowd {
		b.put(brakeMember(i))
	}
}

// editCrowd changes those of the crowd that are still there.
func (b *braked) editCrowd(by func(*v1alpha1.Federation)) {
	b.Helper()
	for i := range brakeCrowd {
		b.Expect(client.IgnoreNotFound(edit(b.Context(), b.api, brakeMember(i), by))).To(Succeed())
	}
}

// awaitCrowd waits until there are so many Federations and a condition of each has the reason, and returns one of its messages.
func (b *braked) awaitCrowd(conditionType, reason string, count int) string {
	b.Helper()
	var message string
	b.Eventually(func() map[string]int {
		var all v1alpha1.FederationList
		if err := b.api.List(b.Context(), &all, client.InNamespace(stageNamespace)); err != nil {
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
	}, brakeSettled, stageLook).Should(Equal(map[string]int{reason: count}), "reasons of "+conditionType)
	return message
}

// awaitZone waits until a condition of the DNSZone is true with the reason, and returns the DNSZone.
func (b *braked) awaitZone(conditionType, reason string) *v1alpha1.DNSZone {
	b.Helper()
	zone := brakedZone()
	b.Eventually(func(g Gomega) {
		g.Expect(b.api.Get(b.Context(), keyOf(zone), zone)).To(Succeed())
		found := says(zone.Status.Conditions, conditionType, zone.Generation)
		g.Expect(found.Status).To(Equal(metav1.ConditionTrue))
		g.Expect(found.Reason).To(Equal(reason))
	}, brakeSettled, stageLook).Should(Succeed(), conditionType+" of DNSZone "+zone.Name)
	return zone
}

// awaitZoneAnew waits until the operator that lives now can write to the zone. What stands in status may be from before it was
// killed, so a change that does not matter makes a new generation, of which nobody said anything yet.
func (b *braked) awaitZoneAnew() {
	b.Helper()
	b.Expect(edit(b.Context(), b.api, brakedZone(), func(zone *v1alpha1.DNSZone) {
		zone.Spec.Provider.RFC2136.Servers = append(zone.Spec.Provider.RFC2136.Servers, stageServer) // once more
	})).To(Succeed())
	b.awaitZone(v1alpha1.ConditionReady, v1alpha1.ReasonReady)
}

// awaitCrowdAnew is awaitCrowd that believes the operator that lives now, likewise.
func (b *braked) awaitCrowdAnew(conditionType, reason string, count int) string {
	b.Helper()
	b.editCrowd(func(fed *v1alpha1.Federation) { fed.Spec.Verification.Interval.Duration += time.Minute })
	return b.awaitCrowd(conditionType, reason, count)
}

func (b *braked) restart() {
	b.Helper()
	b.operator.Kill()
	b.Expect(b.operator.Start()).To(Succeed())
	b.Expect(b.operator.Ready(b.Context())).To(Succeed())
}

// authority is the zone's start of authority, whose serial counts what is written.
func (b *braked) authority() []string {
	b.Helper()
	soa, err := lab.Query(b.Context(), stageServer, brakeZone, dns.TypeSOA)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(soa).To(HaveLen(1))
	return soa
}

func (b *braked) expectWhole(what string) {
	b.Helper()
	now := b.named.Dump(brakeZone)
	b.Expect(without(b.whole, now)).To(BeEmpty(), "records that are gone "+what)
	b.Expect(without(now, b.whole)).To(BeEmpty(), "records that are new "+what)
}

// expectUntouched makes sure that nothing was written since either.
func (b *braked) expectUntouched(since []string, what string) {
	b.Helper()
	b.expectWhole(what)
	b.Expect(b.authority()).To(Equal(since), "the zone's start of authority "+what)
}

// tell how many records a mistake took, and return the number.
func (b *braked) tell(mistake string) (lost int) {
	b.Helper()
	lost = len(without(b.whole, b.named.Dump(brakeZone)))
	b.Logf("%s: %d records lost, %d held", mistake, lost, brakeCrowd*brakeRecords-lost)
	return lost
}

// emptySelector by mistake: nobody may publish in the zone any more.
func (b *braked) emptySelector() {
	b.Helper()
	before, zone := b.authority(), brakedZone()
	selected := zone.Spec.Namespaces
	b.Expect(edit(b.Context(), b.api, zone, func(zone *v1alpha1.DNSZone) { zone.Spec.Namespaces = nil })).To(Succeed())
	b.Logf("selector emptied: %s", b.awaitCrowd(v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainNotAllowed, brakeCrowd))
	b.expectUntouched(before, "after its selector was emptied")
	b.restart()
	b.awaitZoneAnew()
	b.awaitCrowdAnew(v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainNotAllowed, brakeCrowd)
	b.tell("selector emptied and operator killed")
	b.expectUntouched(before, "after the operator restarted")

	b.Expect(edit(b.Context(), b.api, zone, func(zone *v1alpha1.DNSZone) { zone.Spec.Namespaces = selected })).To(Succeed())
	b.awaitCrowd(v1alpha1.ConditionAccepted, v1alpha1.ReasonAccepted, brakeCrowd)
	b.awaitCrowd(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonPublished, brakeCrowd)
	b.expectUntouched(before, "after the selector was put back")
}

// deleteZone by mistake, and create it again.
func (b *braked) deleteZone() {
	b.Helper()
	before := b.authority()
	b.Expect(b.api.Delete(b.Context(), brakedZone())).To(Succeed())
	b.Logf("DNSZone deleted: %s", b.awaitCrowd(v1alpha1.ConditionAccepted, v1alpha1.ReasonZoneNotFound, brakeCrowd))
	b.expectUntouched(before, "after its DNSZone was deleted")
	b.restart()
	b.awaitCrowdAnew(v1alpha1.ConditionAccepted, v1alpha1.ReasonZoneNotFound, brakeCrowd)
	b.tell("DNSZone deleted and operator killed")
	b.expectUntouched(before, "after the operator restarted without the DNSZone")

	b.put(brakedZone())
	b.awaitCrowd(v1alpha1.ConditionAccepted, v1alpha1.ReasonAccepted, brakeCrowd)
	b.awaitCrowd(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonPublished, brakeCrowd)
	b.expectUntouched(before, "after the DNSZone was created again")
}

// deleteCrowd by mistake: all but a tenth keep their records, though the operator is killed again and again, and both DNSZone and
// Federations say so.
func (b *braked) deleteCrowd() {
	b.Helper()
	b.Expect(b.api.DeleteAllOf(b.Context(), &v1alpha1.Federation{}, client.InNamespace(stageNamespace))).To(Succeed())
	for range brakeKills {
		// Where in its work it dies is left to chance.
		alive := time.NewTimer(rand.N(brakeLongestLife))
		<-alive.C
		b.restart()
	}
	b.awaitZoneAnew()
	message := b.awaitCrowdAnew(v1alpha1.ConditionReady, v1alpha1.ReasonRemovalsPaused, brakeCrowd-brakeLosers)
	b.Logf("%d Federations deleted: %s", brakeCrowd, message)
	counted := b.awaitZone(v1alpha1.ConditionRemovalsPaused, v1alpha1.ReasonRemovalsPaused).Status.Brake.Lost
	b.Expect(counted).To(HaveLen(brakeLosers), "Federations that lost records, as the DNSZone says")

	lost := b.tell(fmt.Sprintf("%d Federations deleted and operator killed %d times", brakeCrowd, brakeKills))
	b.Expect(lost).To(Equal(brakeLosers * brakeRecords))
	services := 0
	for _, record := range b.named.Dump(brakeZone) {
		b.Expect(b.whole).To(ContainElement(record), "what stands is as it was")
		if strings.HasPrefix(record, "_xmpp-server._tcp.") {
			services++
		}
	}
	b.Expect(services).To(Equal(brakeCrowd-brakeLosers), "service records")
}

// restoreCrowd ends the deletions without touching records and creates the Federations again.
func (b *braked) restoreCrowd() {
	b.Helper()
	before := b.authority()
	b.editCrowd(func(fed *v1alpha1.Federation) { fed.Spec.DNS.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
	b.Eventually(func() []v1alpha1.Federation {
		var left v1alpha1.FederationList
		b.Expect(b.api.List(b.Context(), &left, client.InNamespace(stageNamespace))).To(Succeed())
		return left.Items
	}, brakeSettled, stageLook).Should(BeEmpty(), "deletions to end")
	b.Expect(b.authority()).To(Equal(before), "the zone's start of authority after deletions that retain records")
	b.putCrowd()
	b.awaitCrowd(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonPublished, brakeCrowd)
	b.expectWhole("after the Federations were created again")
	b.Logf("all %d records of Federations, and %d of others, stand as in the beginning, byte for byte",
		brakeCrowd*brakeRecords, len(b.whole)-brakeCrowd*brakeRecords)
}
