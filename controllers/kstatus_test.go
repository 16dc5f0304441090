// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/outcome"
	"github.com/xmppfed/xmppfed/internal/testkit/reasons"
)

// began is when the objects of these tests began to be as they are.
var began = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// kstatusOf returns what Flux, Helm and other tools with the kstatus library make of an object.
func kstatusOf(t *testing.T, kind string, object any) status.Status {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetAPIVersion(v1alpha1.GroupVersion.String())
	u.SetKind(kind)
	result, err := status.Compute(u)
	if err != nil {
		t.Fatal(err)
	}
	return result.Status
}

// expected are the answers of kstatus for a class: at once, right before the deadline, and when it is over.
func expected(class outcome.Class) (atOnce, before, after status.Status) {
	switch class {
	case outcome.Good, outcome.Aside:
		return status.CurrentStatus, status.CurrentStatus, status.CurrentStatus
	case outcome.OpenEnded:
		return status.InProgressStatus, status.InProgressStatus, status.InProgressStatus
	case outcome.Progressing, outcome.Awaited, outcome.Doubtful:
		return status.InProgressStatus, status.InProgressStatus, status.FailedStatus
	case outcome.Blocked:
		return status.FailedStatus, status.FailedStatus, status.FailedStatus
	case outcome.Undeclared:
	}
	return "", "", ""
}

// look is an object's status at a time; it is kept from look to look, as in the cluster.
type look func(now time.Time) status.Status

// expectClass looks at an object at the times that matter for the class of its reason.
func expectClass(t *testing.T, reason string, class outcome.Class, at look) {
	t.Helper()
	atOnce, before, after := expected(class)
	allowed, limited := class.Deadline()
	if !limited {
		allowed = 1000 * time.Hour
	}
	for _, when := range []struct {
		passed time.Duration
		want   status.Status
	}{{0, atOnce}, {max(allowed-time.Second, 0), before}, {allowed, after}, {allowed + time.Hour, after}} {
		if got := at(began.Add(when.passed)); got != when.want {
			t.Errorf("%s, class %q: kstatus says %s after %s, want %s", reason, class, got, when.passed, when.want)
		}
	}
}

// reached is a scope whose steps all reached their goals.
func reached() *scope {
	fed := &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Name: "cup", Namespace: "chat", Generation: 1},
		Spec:       v1alpha1.FederationSpec{Domains: []v1alpha1.DomainName{"cupdomain.com"}},
	}
	s := newScope(fed)
	for _, condition := range readiness {
		s.findings[condition] = finding{reason: v1alpha1.ReasonReady, message: "good"}
	}
	return s
}

func TestEveryReasonOfAFederationIsWhatKstatusMakesOfIt(t *testing.T) {
	tried := 0
	for _, said := range reasons.Declared(t) {
		if isSummary(metav1.Condition{Type: said.Condition}) || said.Condition == v1alpha1.ConditionRemovalsPaused || said.Status == "Entries" {
			continue
		}
		tried++
		t.Run(said.Condition+"/"+said.Reason, func(t *testing.T) {
			s := reached()
			found := finding{reason: said.Reason, message: "good"}
			if said.Status != metav1.ConditionTrue {
				found = finding{err: &outcome.Error{Reason: said.Reason, Message: "bad", Unknown: said.Status == metav1.ConditionUnknown}}
			}
			s.findings[said.Condition] = found
			s.fed.Spec.Suspend = said.Condition == v1alpha1.ConditionSuspended
			class := outcome.ClassOf(said.Reason)
			if !slices.Contains(append(slices.Clone(readiness), v1alpha1.ConditionSuspended), said.Condition) {
				class = outcome.Aside // whatever its reason means elsewhere
			}
			expectClass(t, said.Reason, class, func(now time.Time) status.Status {
				updateStatus(s, now)
				return kstatusOf(t, "Federation", s.fed)
			})
		})
	}
	if tried < 80 {
		t.Errorf("only %d reasons were found", tried)
	}
}

func TestEveryReasonOfADNSZoneIsWhatKstatusMakesOfIt(t *testing.T) {
	for _, said := range reasons.Declared(t) {
		ofZone := said.Condition == v1alpha1.ConditionDNSPublished || said.Condition == v1alpha1.ConditionAccepted
		if said.Status != metav1.ConditionFalse || !ofZone {
			continue
		}
		t.Run(said.Reason, func(t *testing.T) {
			zone := &v1alpha1.DNSZone{ObjectMeta: metav1.ObjectMeta{Name: "cupdomain-com", Generation: 1}}
			expectClass(t, said.Reason, outcome.ClassOf(said.Reason), func(now time.Time) status.Status {
				updateZoneStatus(zone, nil, &outcome.Error{Reason: said.Reason, Message: "bad"}, now)
				return kstatusOf(t, "DNSZone", zone)
			})
		})
	}
	zone := &v1alpha1.DNSZone{ObjectMeta: metav1.ObjectMeta{Name: "cupdomain-com", Generation: 1}}
	updateZoneStatus(zone, nil, nil, began)
	if got := kstatusOf(t, "DNSZone", zone); got != status.CurrentStatus {
		t.Errorf("a zone without trouble is %s", got)
	}
}

// missing is a Federation whose Secret is missing, as of a time.
func missing(s *scope, now time.Time) *metav1.Condition {
	s.findings[v1alpha1.ConditionCertificateReady] = finding{err: outcome.Waiting(v1alpha1.ReasonSecretNotFound, 0, "create it")}
	updateStatus(s, now)
	return meta.FindStatusCondition(s.fed.Status.Conditions, v1alpha1.ConditionStalled)
}

func TestTheDeadlineBeginsWithTheReasonAndWithEveryNewSpec(t *testing.T) {
	s := reached()
	s.findings[v1alpha1.ConditionServerReady] = finding{err: outcome.Waiting(v1alpha1.ReasonRollingOut, 0, "pods start")}
	updateStatus(s, began)
	now := began.Add(outcome.ProgressDeadline + time.Minute)
	if stalled := missing(s, now); stalled != nil {
		t.Errorf("what is newly missing has failed already: %s", stalled.Message)
	}
	now = now.Add(outcome.ProgressDeadline)
	if missing(s, now) == nil {
		t.Fatal("what is missing for the whole deadline has not failed")
	}
	if s.deadline != 0 {
		t.Errorf("there is another deadline in %s after the only one is over", s.deadline)
	}
	s.fed.Generation++
	if stalled := missing(s, now); stalled != nil {
		t.Errorf("a spec that was just changed has failed already: %s", stalled.Message)
	}
	if s.deadline != outcome.ProgressDeadline {
		t.Errorf("looked at again for the deadline in %s", s.deadline)
	}
}

func TestATimeOfTheFutureDoesNotMoveTheDeadline(t *testing.T) {
	s := reached()
	missing(s, began.Add(8760*time.Hour)) // the clock was ahead
	missing(s, began)                     // and is right again
	if s.deadline != outcome.ProgressDeadline {
		t.Errorf("looked at again for the deadline in %s", s.deadline)
	}
	if missing(s, began.Add(outcome.ProgressDeadline)) == nil {
		t.Error("the deadline lies in the future of a clock that was ahead")
	}
}

func TestAFederationThatFailedByItsDeadlineSaysSoAndRecovers(t *testing.T) {
	s := reached()
	missing(s, began)
	stalled := missing(s, began.Add(outcome.ProgressDeadline))
	const want = "create it (this has lasted for more than 10m0s)"
	ready := meta.FindStatusCondition(s.fed.Status.Conditions, v1alpha1.ConditionReady)
	if stalled == nil || stalled.Message != want || ready.Message != want {
		t.Fatalf("got %v and %v, want %q", stalled, ready, want)
	}
	if again := missing(s, began.Add(2*outcome.ProgressDeadline)); again == nil || again.Message != want {
		t.Errorf("got %v later, want the same text", again)
	}
	s.findings[v1alpha1.ConditionCertificateReady] = finding{reason: v1alpha1.ReasonValid, message: "good"}
	updateStatus(s, began.Add(3*outcome.ProgressDeadline))
	if got := kstatusOf(t, "Federation", s.fed); got != status.CurrentStatus {
		t.Errorf("got %s when the Secret is there", got)
	}
}
