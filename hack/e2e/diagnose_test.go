// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// diagnose logs what is needed to understand a failure: conditions, events, pods, the operator's last words.
func (s *site) diagnose() {
	var federations v1alpha1.FederationList
	if err := cluster.List(s.ctx, &federations, client.InNamespace(s.namespace)); err != nil {
		s.Log("listing Federations:", err)
	}
	for _, fed := range federations.Items {
		s.Logf("Federation %s, generation %d, addresses %v", fed.Name, fed.Generation, fed.Status.Addresses)
		for _, c := range fed.Status.Conditions {
			s.Logf("  %-17s %-7s %-20s (generation %d) %s", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message)
		}
		logged := 0
		for _, p := range fed.Status.Peers {
			if p.Reachable != metav1.ConditionTrue && logged < 10 {
				s.Logf("  peer %s %s %s", p.Domain, p.Reason, p.Message)
				logged++
			}
		}
	}
	var events corev1.EventList
	if err := cluster.List(s.ctx, &events, client.InNamespace(s.namespace)); err != nil {
		s.Log("listing events:", err)
	}
	slices.SortFunc(events.Items, func(a, b corev1.Event) int { return when(&a).Compare(when(&b)) })
	for _, e := range events.Items {
		s.Logf("event %s %s/%s %s %s: %s",
			when(&e).Format(time.TimeOnly), e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Type, e.Reason, e.Message)
	}
	for _, args := range [][]string{
		{"-n", s.namespace, "get", "pods,services"},
		{"-n", operatorNamespace, "logs", "--tail=40", "--selector=app.kubernetes.io/component=operator"},
	} {
		out, err := lab.Run(s.ctx, append([]string{"kubectl"}, args...)...)
		s.Logf("kubectl %v: %v\n%s", args, err, out)
	}
}

func when(e *corev1.Event) time.Time {
	return slices.MaxFunc([]time.Time{e.LastTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time}, time.Time.Compare)
}
