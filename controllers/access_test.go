// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// unavailable is what the wire says when nothing listens.
var unavailable = check.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonConnectionRefused, Message: "nothing listens"}

// expectAvailable lets an hour pass, in which partners get through though something else is wrong, and then has the server die.
func (w *world) expectAvailable(name string) {
	w.t.Helper()
	const still = "; partners still reach cupdomain.com, conference.cupdomain.com: checked from public DNS"
	began, tries := w.now, len(w.tries)+len(w.checks)
	for w.now.Sub(began) < time.Hour {
		w.pass(w.reconcile(name).RequeueAfter)
		w.expectCondition(w.get(name), v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
		ready := condition(w.get(name), v1alpha1.ConditionReady)
		w.Expect(ready.Status).NotTo(gomega.Equal(metav1.ConditionTrue))
		w.Expect(ready.Message).To(gomega.ContainSubstring(still))
	}
	w.Expect(len(w.tries)+len(w.checks)-tries).To(gomega.BeNumerically(">=", 10), "every five minutes somebody looks")
	w.verdict = unavailable
	w.pass(5 * time.Minute)
	w.reconcile(name)
	w.expectCondition(w.get(name), v1alpha1.ConditionAvailable, metav1.ConditionFalse, v1alpha1.ReasonUnreachable, "nothing listens")
	w.Expect(condition(w.get(name), v1alpha1.ConditionReady).Message).NotTo(gomega.ContainSubstring("still reach"))
}

func condition(fed *v1alpha1.Federation, name string) metav1.Condition {
	for _, c := range fed.Status.Conditions {
		if c.Type == name {
			return c
		}
	}
	return metav1.Condition{}
}

func TestPartnersGetThroughWhateverElseIsWrong(t *testing.T) {
	for name, wrong := range map[string]func(*world){
		"the TLS Secret is deleted": func(w *world) {
			w.Expect(w.api.Delete(t.Context(), read[corev1.Secret](w, "cup-tls"))).To(gomega.Succeed())
		},
		"the zone's key is wrong": func(w *world) {
			w.probe = &dns.Error{Reason: v1alpha1.ReasonTSIGBadSignature, Message: "the key's secret differs", Permanent: true}
			w.reconcileZone("cupdomain-com")
		},
		"the Secret of the zone's key is deleted": func(w *world) {
			w.Expect(w.api.DeleteAllOf(t.Context(), &corev1.Secret{}, client.InNamespace("xmppfed-system"))).To(gomega.Succeed())
			w.reconcileZone("cupdomain-com")
		},
		"the DNSZone is deleted": func(w *world) {
			w.Expect(w.api.DeleteAllOf(t.Context(), &v1alpha1.DNSZone{})).To(gomega.Succeed())
			w.reconcileZone("cupdomain-com")
		},
		"the host name changes and the zone can't be written": func(w *world) {
			w.zone.Fail(&dns.Error{Reason: v1alpha1.ReasonUpdateRefused, Message: "no grant", Permanent: true})
			w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.DNS.Hostname = "cup2.cupdomain.com" })
			w.verdict = check.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonSRVMismatch, Message: "another host"}
			w.access = func(target check.AccessTarget) check.Access {
				w.Expect(target.Hosts).To(gomega.ConsistOf("cup1.cupdomain.com", "cup2.cupdomain.com"))
				if w.verdict.Reason == unavailable.Reason {
					return check.Access{Barred: []check.Barred{{Domain: target.Domains[0], Why: "nothing listens"},
						{Domain: target.Domains[1], Why: "nothing listens"}}}
				}
				return check.Access{Reached: target.Domains}
			}
		},
	} {
		for when, restart := range map[string]bool{"": false, ", and the operator is restarted": true} {
			t.Run(name+when, func(t *testing.T) {
				w := newWorldWithZone(t)
				w.newAuthority().writeSecret(w.now, "cupdomain.com", "conference.cupdomain.com")
				w.createReady("cup", withSecret)
				if restart {
					w.restartOperator()
				}
				wrong(w)
				w.expectAvailable("cup")
			})
		}
	}
}

func TestAZonesKeyThatIsWrongIsOneAlarm(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.takeEvents()
	w.probe = &dns.Error{Reason: v1alpha1.ReasonTSIGBadSignature, Message: "the key's secret differs", Permanent: true}
	w.reconcileZone("cupdomain-com")
	w.Expect(w.takeEvents()).To(gomega.ContainElement(gomega.HavePrefix("Warning TSIGBadSignature")))
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionDNSPublished, metav1.ConditionUnknown, v1alpha1.ReasonZoneNotReady)
	w.Expect(w.takeEvents()).NotTo(gomega.ContainElement(gomega.HavePrefix("Warning")))
}

func TestWhatNobodyPublishedIsNotLookedUp(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAvailable, metav1.ConditionFalse, v1alpha1.ReasonNotPublished, "cupdomain.com")
	w.Expect(w.tries).To(gomega.BeEmpty(), "resolvers would remember that there is nothing")

	w.assignAddress("cup", publicAddress)
	w.runServer("cup")
	w.reconcile("cup")
	w.reconcile("cup")
	w.zone.Fail(&dns.Error{Reason: v1alpha1.ReasonUpdateRefused, Message: "no grant", Permanent: true})
	w.verdict = check.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonSRVMissing, Message: "there is no SRV record"}
	w.access = func(target check.AccessTarget) check.Access { return check.Access{Reached: target.Domains} }
	w.change("cup", func(fed *v1alpha1.Federation) { fed.Spec.Domains = append(fed.Spec.Domains, "team.cupdomain.com") })
	w.reconcile("cup")
	w.pass(time.Hour)
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonReachable,
		"partners reach cupdomain.com, conference.cupdomain.com: checked from public DNS",
		"not published yet: team.cupdomain.com, conference.team.cupdomain.com, see condition DNSPublished")
	w.Expect(w.tries).NotTo(gomega.BeEmpty())
	for _, try := range w.tries {
		w.Expect(strings.Join(try.Domains, " ")).NotTo(gomega.ContainSubstring("team."))
	}
}

func TestWhatIsMissingForTooLongHasFailedByItself(t *testing.T) {
	w := newWorldWithZone(t)
	w.create("cup", withSecret)
	w.takeEvents()
	began := w.now
	for w.now.Sub(began) < outcome.ProgressDeadline {
		result := w.reconcile("cup")
		w.expectCondition(w.get("cup"), v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonSecretNotFound)
		w.Expect(w.now.Add(result.RequeueAfter)).To(gomega.BeTemporally("<=", began.Add(outcome.ProgressDeadline)))
		w.pass(result.RequeueAfter)
	}
	w.Expect(w.takeEvents()).NotTo(gomega.ContainElement(gomega.HavePrefix("Warning")))
	w.restartOperator()
	w.reconcile("cup")
	w.expectNotReady(w.get("cup"), v1alpha1.ConditionStalled, v1alpha1.ConditionCertificateReady, v1alpha1.ReasonSecretNotFound)
	w.expectCondition(w.get("cup"), v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonSecretNotFound, "for more than 10m0s")
	w.Expect(w.takeEvents()).To(gomega.ContainElement(gomega.HavePrefix("Warning SecretNotFound")))

	w.newAuthority().writeSecret(w.now, "cupdomain.com", "conference.cupdomain.com")
	w.reconcile("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonRollingOut)
}
