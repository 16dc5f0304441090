// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

func TestAvailableIsWhatIsKnownOfEveryDomain(t *testing.T) {
	a, b := "a.example", "b.example"
	both := []string{a, b}
	shut := func(domain, why string) []check.Barred { return []check.Barred{{Domain: domain, Why: why}} }
	for name, test := range map[string]struct {
		findable []string
		access   check.Access
		down     bool
		status   metav1.ConditionStatus
		reason   string
		message  string
	}{
		"both are reached": {both, check.Access{Reached: both}, false, metav1.ConditionTrue, v1alpha1.ReasonReachable,
			"partners reach a.example, b.example: checked from public DNS"},
		"one is not": {both, check.Access{Reached: []string{a}, Barred: shut(b, "nothing listens")}, false,
			metav1.ConditionFalse, v1alpha1.ReasonPartlyReachable,
			"partners don't reach b.example: nothing listens; they reach a.example: checked from public DNS"},
		"none is, for one cause": {both, check.Access{Barred: slices.Concat(shut(a, "nothing listens"), shut(b, "nothing listens"))}, false,
			metav1.ConditionFalse, v1alpha1.ReasonUnreachable, "partners don't reach a.example, b.example: nothing listens"},
		"one is not published yet": {both[:1], check.Access{Reached: []string{a}}, false,
			metav1.ConditionTrue, v1alpha1.ReasonReachable,
			"partners reach a.example: checked from public DNS; not published yet: b.example, see condition DNSPublished"},
		"one is not published yet, and the other is not reached": {both[:1], check.Access{Barred: shut(a, "nothing listens")}, false,
			metav1.ConditionFalse, v1alpha1.ReasonUnreachable,
			"partners don't reach a.example: nothing listens; not published yet: b.example, see condition DNSPublished"},
		"one is not published yet, and nothing is known of the other": {both[:1], check.Access{}, false,
			metav1.ConditionUnknown, v1alpha1.ReasonNotChecked, "the way that partners take is being tried: a.example"},
		"one is unclear": {both, check.Access{Reached: []string{a}, Unclear: shut(b, "the resolver is silent")}, false,
			metav1.ConditionUnknown, v1alpha1.ReasonNotChecked,
			"nothing is known about b.example: the resolver is silent; they reach a.example: checked from public DNS"},
		"one is unclear and one is not reached": {both, check.Access{Barred: shut(a, "nothing listens"), Unclear: shut(b, "silence")}, false,
			metav1.ConditionFalse, v1alpha1.ReasonPartlyReachable,
			"partners don't reach a.example: nothing listens; nothing is known about b.example"},
		"unclear, and the server is down": {both, check.Access{Unclear: slices.Concat(shut(a, "silence"), shut(b, "silence"))}, true,
			metav1.ConditionFalse, v1alpha1.ReasonUnreachable,
			"partners don't reach a.example, b.example: no pod of the server is ready, see condition ServerReady"},
		"a domain that is new was not tried yet": {both, check.Access{Reached: []string{a}}, false,
			metav1.ConditionTrue, v1alpha1.ReasonReachable,
			"partners reach a.example: checked from public DNS; b.example: the way that partners take is being tried"},
	} {
		t.Run(name, func(t *testing.T) {
			got := judgeAvailable(both, test.findable, test.access, test.down).condition(v1alpha1.ConditionAvailable)
			if got.Status != test.status || got.Reason != test.reason || got.Message != test.message {
				t.Errorf("got %s %s: %s\nwant %s %s: %s", got.Status, got.Reason, got.Message, test.status, test.reason, test.message)
			}
		})
	}
}

// trouble is a Federation with a problem in one condition, and what the wire says.
func trouble(condition string, wrong *outcome.Error, available finding) *scope {
	s := reached()
	s.findings[condition], s.findings[v1alpha1.ConditionAvailable] = finding{err: wrong}, available
	updateStatus(s, began)
	return s
}

func TestWhatIsNotReadySaysWhatStillWorks(t *testing.T) {
	gone := outcome.Waiting(v1alpha1.ReasonSecretNotFound, 0, "Secret chat/cup-tls does not exist; create it")
	works := trouble(v1alpha1.ConditionCertificateReady, gone, reachable([]string{"cupdomain.com"}))
	ready := meta.FindStatusCondition(works.fed.Status.Conditions, v1alpha1.ConditionReady)
	const want = "Secret chat/cup-tls does not exist; create it; partners still reach cupdomain.com: checked from public DNS"
	if ready.Status != metav1.ConditionFalse || ready.Message != want {
		t.Errorf("got %s: %s\nwant %s", ready.Status, ready.Message, want)
	}
	unknown := finding{err: outcome.Unknown(v1alpha1.ReasonNotChecked, "it is being tried")}
	ready = meta.FindStatusCondition(trouble(v1alpha1.ConditionCertificateReady, gone, unknown).fed.Status.Conditions, v1alpha1.ConditionReady)
	if ready.Message != gone.Message {
		t.Errorf("what is not known passes for something that works: %s", ready.Message)
	}
}

func TestWhatWasSeenFromTheWireStandsUntilItIsSeenAgain(t *testing.T) {
	s := trouble(v1alpha1.ConditionCertificateReady, nil, reachable([]string{"cupdomain.com"}))
	s.fed.Generation++
	s.findings[v1alpha1.ConditionAvailable] = finding{err: outcome.Unlearnt(v1alpha1.ReasonNotChecked, "it is being tried")}
	updateStatus(s, began)
	if !meta.IsStatusConditionTrue(s.fed.Status.Conditions, v1alpha1.ConditionAvailable) {
		t.Error("a restart, or a new spec, takes away what was seen")
	}
}

func TestNobodyIsAlarmedAboutWhatIsMeantToEnd(t *testing.T) {
	s := trouble(v1alpha1.ConditionCertificateReady, nil, reachable([]string{"cupdomain.com"}))
	s.fed.Spec.Suspend = true
	updateStatus(s, began)
	for _, want := range []string{v1alpha1.ReasonSuspended, v1alpha1.ReasonDeleting} {
		got := meta.FindStatusCondition(s.fed.Status.Conditions, v1alpha1.ConditionAvailable)
		if got.Status != metav1.ConditionUnknown || got.Reason != want {
			t.Errorf("got %s %s, want Unknown %s", got.Status, got.Reason, want)
		}
		now := metav1.NewTime(began)
		s.fed.DeletionTimestamp = &now
		s.findings[v1alpha1.ConditionReady] = finding{err: outcome.Waiting(v1alpha1.ReasonDeleting, 0, "records go")}
		updateStatus(s, began)
	}
}

func TestEventsWarnOfWhatSomebodyMustMendAndOfWhoIsKeptOut(t *testing.T) {
	for name, test := range map[string]struct {
		condition, reason string
		status            metav1.ConditionStatus
		want              string
	}{
		"a Secret that is not there yet":  {v1alpha1.ConditionCertificateReady, v1alpha1.ReasonSecretNotFound, metav1.ConditionFalse, "Normal"},
		"one that is missing for long":    {v1alpha1.ConditionStalled, v1alpha1.ReasonSecretNotFound, metav1.ConditionTrue, "Warning"},
		"a key that does not fit":         {v1alpha1.ConditionCertificateReady, v1alpha1.ReasonKeyPairInvalid, metav1.ConditionFalse, "Warning"},
		"a rollout":                       {v1alpha1.ConditionServerReady, v1alpha1.ReasonRollingOut, metav1.ConditionFalse, "Normal"},
		"a zone that is not ready":        {v1alpha1.ConditionDNSPublished, v1alpha1.ReasonZoneNotReady, metav1.ConditionUnknown, "Normal"},
		"a move that is done":             {v1alpha1.ConditionDNSPublished, v1alpha1.ReasonTransferred, metav1.ConditionFalse, "Normal"},
		"partners that don't get through": {v1alpha1.ConditionAvailable, v1alpha1.ReasonUnreachable, metav1.ConditionFalse, "Warning"},
		"some that don't":                 {v1alpha1.ConditionAvailable, v1alpha1.ReasonPartlyReachable, metav1.ConditionFalse, "Warning"},
		"a Federation that is new":        {v1alpha1.ConditionAvailable, v1alpha1.ReasonNotPublished, metav1.ConditionFalse, "Normal"},
		"partners that get through again": {v1alpha1.ConditionAvailable, v1alpha1.ReasonReachable, metav1.ConditionTrue, "Normal"},
	} {
		t.Run(name, func(t *testing.T) {
			got := kindOfEvent(metav1.Condition{Type: test.condition, Status: test.status, Reason: test.reason})
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// What the giver's own check of the way in says after a transfer is about the servers of the other owner.
func TestAfterATransferTheOtherOwnersFederationTellsWhoGetsThrough(t *testing.T) {
	for _, tried := range []bool{true, false} {
		s := newScope(&v1alpha1.Federation{Spec: v1alpha1.FederationSpec{Domains: []v1alpha1.DomainName{"a.example"}}})
		s.wayIn.tried = tried
		s.findings[v1alpha1.ConditionDNSPublished] = finding{err: outcome.Stalled(v1alpha1.ReasonTransferred, "gone to another owner")}
		r := &FederationReconciler{}
		for condition, look := range map[string]func(context.Context, *scope) (finding, error){
			v1alpha1.ConditionAvailable: r.seeAvailable, v1alpha1.ConditionInboundReachable: r.checkInbound,
		} {
			found, err := look(t.Context(), s)
			var failed *outcome.Error
			if !errors.As(err, &failed) || failed.Reason != v1alpha1.ReasonTransferred || !failed.Unknown {
				t.Errorf("tried %v: %s is %v and %v", tried, condition, found, err)
			}
		}
	}
}
