// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// stepConditions are the conditions of a Federation that steps set, in the order in which status lists them.
var stepConditions = []string{
	v1alpha1.ConditionAccepted, v1alpha1.ConditionAvailable, v1alpha1.ConditionCertificateReady, v1alpha1.ConditionServerReady,
	v1alpha1.ConditionAddressAssigned, v1alpha1.ConditionDNSPublished, v1alpha1.ConditionInboundReachable,
	v1alpha1.ConditionPeersReachable, v1alpha1.ConditionLimitsReached,
}

// notOurs are the conditions that Ready does not depend on.
var notOurs = []string{v1alpha1.ConditionAvailable, v1alpha1.ConditionPeersReachable, v1alpha1.ConditionLimitsReached}

// expectContract holds a Federation that was just reconciled against kstatus
// (https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus) and what this project adds to it.
func (w *world) expectContract(fed *v1alpha1.Federation) {
	w.t.Helper()
	status := fed.Status
	w.expectDocumented(status.Conditions)
	w.expectReadable(status.Conditions, fed.Generation)
	if fed.Spec.Suspend && fed.DeletionTimestamp.IsZero() {
		w.expectSuspended(status.Conditions, fed.Generation)
		return
	}
	w.Expect(status.ObservedGeneration).To(gomega.Equal(fed.Generation), "observedGeneration")
	w.expectSummaries(status.Conditions, fed.Generation)
	w.Expect(namesOf(status.Conditions)).To(gomega.Equal(sorted(status.Conditions)), "the order of conditions")
	if fed.DeletionTimestamp.IsZero() {
		w.Expect(fed.Finalizers).To(gomega.ContainElement("xmppfed.io/federation"))
		w.Expect(meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionAccepted)).NotTo(gomega.BeNil())
	}
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	if ready.Status == metav1.ConditionTrue {
		for _, name := range stepConditions {
			if slices.Contains(notOurs, name) {
				continue
			}
			w.Expect(meta.IsStatusConditionTrue(status.Conditions, name)).To(gomega.BeTrue(), "Ready is True although %s is not", name)
		}
	}
}

// looks are those that a Federation asked for while its status stayed the same.
type looks struct {
	version    string
	since, due time.Time
	n          int
}

// looksOf returns how many looks a Federation may ask for that long after its status changed: some soon, and then a few in each of the
// intervals in which the way in is checked anyway.
func looksOf(lasted time.Duration) int { return 20 + int(3*lasted/(5*time.Minute)) }

// expectLookAgain sees to it that nothing that waits is left to wait for ever, and that what lasts is looked at less and less often.
// What is Stalled may wait: a change of what stalls it is watched. What is Ready is checked again.
func (w *world) expectLookAgain(fed *v1alpha1.Federation, result ctrl.Result) {
	w.t.Helper()
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically(">=", 0))
	w.Expect(result.RequeueAfter).To(gomega.BeNumerically("<=", 24*time.Hour))
	if meta.IsStatusConditionTrue(fed.Status.Conditions, v1alpha1.ConditionReady) && !fed.Spec.Suspend {
		w.Expect(result.RequeueAfter).To(gomega.BeNumerically(">", 0), "what is Ready has to be checked again")
	}
	key := client.ObjectKeyFromObject(fed)
	last := w.looks[key]
	if last.version != fed.ResourceVersion {
		last = looks{version: fed.ResourceVersion, since: w.now}
	} else if !last.due.After(w.now) {
		last.n++
	}
	w.Expect(last.n).To(gomega.BeNumerically("<=", looksOf(w.now.Sub(last.since))),
		"looks at what has been the same for %s", w.now.Sub(last.since))
	last.due = w.now.Add(max(result.RequeueAfter, time.Nanosecond))
	w.looks[key] = last
}

// expectZoneContract is expectContract for a DNSZone.
func (w *world) expectZoneContract(zone *v1alpha1.DNSZone) {
	w.t.Helper()
	w.Expect(zone.Status.ObservedGeneration).To(gomega.Equal(zone.Generation), "observedGeneration")
	w.expectSummaries(zone.Status.Conditions, zone.Generation)
	w.expectReadable(zone.Status.Conditions, zone.Generation)
	w.expectDocumented(zone.Status.Conditions)
}

// expectSuspended checks that what was said before stands, about the generation that it was said of, and that nothing
// claims to be on its way.
func (w *world) expectSuspended(conditions []metav1.Condition, generation int64) {
	w.t.Helper()
	suspended := meta.FindStatusCondition(conditions, v1alpha1.ConditionSuspended)
	w.Expect(suspended).NotTo(gomega.BeNil())
	w.Expect(suspended.ObservedGeneration).To(gomega.Equal(generation))
	w.Expect(namesOf(conditions)).To(gomega.ContainElement(v1alpha1.ConditionReady))
	w.Expect(namesOf(conditions)).NotTo(gomega.ContainElement(gomega.Or(
		gomega.Equal(v1alpha1.ConditionReconciling), gomega.Equal(v1alpha1.ConditionStalled))))
}

// expectSummaries checks Ready, Reconciling and Stalled.
func (w *world) expectSummaries(conditions []metav1.Condition, generation int64) {
	w.t.Helper()
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	w.Expect(ready).NotTo(gomega.BeNil(), "Ready is always present")
	w.Expect(ready.ObservedGeneration).To(gomega.Equal(generation), "observedGeneration of Ready")
	abnormal := 0
	for _, name := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		condition := meta.FindStatusCondition(conditions, name)
		if condition == nil {
			continue
		}
		abnormal++
		w.Expect(condition.Status).To(gomega.Equal(metav1.ConditionTrue), "%s is only present when true", name)
		w.Expect(condition.Reason).To(gomega.Equal(ready.Reason))
		w.Expect(condition.Message).To(gomega.Equal(ready.Message))
		w.Expect(condition.ObservedGeneration).To(gomega.Equal(generation), "observedGeneration of %s", name)
	}
	if ready.Status == metav1.ConditionTrue {
		w.Expect(abnormal).To(gomega.BeZero(), "neither Reconciling nor Stalled while Ready")
	} else {
		w.Expect(abnormal).To(gomega.Equal(1), "exactly one of Reconciling and Stalled while not Ready: %v", namesOf(conditions))
	}
}

// expectReadable checks that conditions are complete and that people can read them.
func (w *world) expectReadable(conditions []metav1.Condition, generation int64) {
	w.t.Helper()
	for _, condition := range conditions {
		w.Expect(condition.ObservedGeneration).To(gomega.BeNumerically("<=", generation))
		w.Expect(condition.LastTransitionTime.IsZero()).To(gomega.BeFalse())
		w.Expect(condition.Message).NotTo(gomega.Or(gomega.BeEmpty(), gomega.ContainSubstring("%!"), gomega.ContainSubstring("<nil>")),
			"message of %s", condition.Type)
		w.Expect(len(condition.Message)).To(gomega.BeNumerically("<=", 4096), "message of %s", condition.Type)
		w.Expect(condition.Message).NotTo(gomega.MatchRegexp(`\s\s|\n|^\s|\s$`), "message of %s", condition.Type)
	}
}

// expectDocumented checks that each condition says only what the comment of its type announces.
func (w *world) expectDocumented(conditions []metav1.Condition) {
	w.t.Helper()
	for _, condition := range conditions {
		if slices.Contains([]string{v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled}, condition.Type) ||
			condition.Reason == v1alpha1.ReasonReconcileFailed {
			continue // These take over the reasons of the others.
		}
		w.Expect(documented()[condition.Type+" "+string(condition.Status)]).To(gomega.ContainElement(condition.Reason),
			"the comment of condition %s has to list reason %s for status %s", condition.Type, condition.Reason, condition.Status)
	}
}

var reasonLists = regexp.MustCompile(`(True|False|Unknown): ([A-Za-z, \n]+)\.`)

// documented reasons by condition type and status, from the comments in the API package.
var documented = sync.OnceValue(func() map[string][]string {
	file, err := parser.ParseFile(token.NewFileSet(), "../api/v1alpha1/conditions.go", nil, parser.ParseComments)
	if err != nil {
		panic(err)
	}
	reasons := map[string][]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Condition") {
			return true
		}
		name, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		for _, match := range reasonLists.FindAllStringSubmatch(spec.Doc.Text(), -1) {
			for reason := range strings.SplitSeq(match[2], ",") {
				key := name + " " + match[1]
				reasons[key] = append(reasons[key], strings.Join(strings.Fields(reason), ""))
			}
		}
		return true
	})
	return reasons
})

func namesOf(conditions []metav1.Condition) []string {
	names := make([]string, 0, len(conditions))
	for _, condition := range conditions {
		names = append(names, condition.Type)
	}
	return names
}

// sorted are the names of the step conditions that are present, in their order, with the others where they stand.
func sorted(conditions []metav1.Condition) []string {
	names := namesOf(conditions)
	var steps []string
	for _, step := range stepConditions {
		if slices.Contains(names, step) {
			steps = append(steps, step)
		}
	}
	for i, name := range names {
		if slices.Contains(stepConditions, name) {
			names[i], steps = steps[0], steps[1:]
		}
	}
	return names
}

// expectCondition checks one condition.
func (w *world) expectCondition(
	fed *v1alpha1.Federation, name string, status metav1.ConditionStatus, reason string, messageParts ...string,
) {
	w.t.Helper()
	condition := meta.FindStatusCondition(fed.Status.Conditions, name)
	w.Expect(condition).NotTo(gomega.BeNil(), "condition %s", name)
	said := name + "=" + string(condition.Status) + " " + condition.Reason
	w.Expect(said).To(gomega.Equal(name+"="+string(status)+" "+reason), condition.Message)
	for _, part := range messageParts {
		w.Expect(condition.Message).To(gomega.ContainSubstring(part))
	}
}

// abnormalOf is the condition of a Federation that has just begun to be as the reason says.
func abnormalOf(reason string) string {
	if outcome.ClassOf(reason) == outcome.Blocked {
		return v1alpha1.ConditionStalled
	}
	return v1alpha1.ConditionReconciling
}

// expectNotReady checks one condition that is False, and that Ready and Stalled or Reconciling say the same.
func (w *world) expectNotReady(fed *v1alpha1.Federation, abnormal, name, reason string, messageParts ...string) {
	w.t.Helper()
	w.expectCondition(fed, name, metav1.ConditionFalse, reason, messageParts...)
	w.expectCondition(fed, v1alpha1.ConditionReady, metav1.ConditionFalse, reason, messageParts...)
	w.expectCondition(fed, abnormal, metav1.ConditionTrue, reason, messageParts...)
}
