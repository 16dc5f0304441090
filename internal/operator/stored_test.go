// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package operator

import (
	"context"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// storedFederation was there before the rule that sizes are quantities, and has published its address.
const storedFederation = `
apiVersion: xmppfed.io/v1alpha1
kind: Federation
metadata: {namespace: stored, name: stored, finalizers: [xmppfed.io/federation]}
spec:
  domains: [stored.example]
  server: {storage: {size: abc}}
status:
  zones: [stored.example]
  records: [{name: xmpp.stored.example, type: A, ttl: 300, data: [203.0.113.9], state: Published}]
  peers: [{domain: peer.example, reachable: "True", reason: PeerReachable, roundTrip: soon, lastTransitionTime: "2026-01-01T00:00:00Z"}]`

// storedNameless has no domain at all.
const storedNameless = `
apiVersion: xmppfed.io/v1alpha1
kind: Federation
metadata: {namespace: stored, name: nameless}
spec: {domains: []}`

const storedZone = `
apiVersion: xmppfed.io/v1alpha1
kind: DNSZone
metadata: {name: stored}
spec:
  zone: stored.example
  provider: {manual: {}}
  namespaces: {from: All}
  brake: {percent: half}`

// storedApexless names no zone.
const storedApexless = `
apiVersion: xmppfed.io/v1alpha1
kind: DNSZone
metadata: {name: apexless}
spec: {zone: 7, provider: {manual: {}}, namespaces: {from: All}}`

// told returns the reason and message of a condition; empty as long as there is none.
func told(conditions []metav1.Condition, condition string) string {
	if found := meta.FindStatusCondition(conditions, condition); found != nil {
		return found.Reason + ": " + found.Message
	}
	return ""
}

func TestAStoredObjectThatCannotBeReadHarmsOnlyItself(t *testing.T) {
	g := gomega.NewWithT(t)
	own := kubetest.Operator(t)
	scheme, err := Scheme()
	g.Expect(err).NotTo(gomega.HaveOccurred())
	api, err := client.New(kubetest.Config(t), client.Options{Scheme: scheme})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "stored"}})).To(gomega.Succeed())
	for _, manifest := range []string{storedFederation, storedNameless, storedZone, storedApexless} {
		object := kubetest.Store(t, manifest)
		t.Cleanup(func() {
			if len(object.GetFinalizers()) > 0 {
				free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
				g.Expect(api.Patch(context.Background(), object, free)).To(gomega.Succeed())
			}
			g.Expect(api.Delete(context.Background(), object)).To(gomega.Succeed())
		})
	}
	secret := newOwnershipSecret(client.ObjectKey{Namespace: operatorNamespace, Name: ownershipSecret},
		map[string][]byte{ownershipKey: []byte(strings.Repeat("k", 32))})
	g.Expect(client.IgnoreAlreadyExists(api.Create(t.Context(), secret))).To(gomega.Succeed())
	defer func() { g.Expect(api.Delete(context.Background(), secret)).To(gomega.Succeed()) }()

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, own, Options{
			Namespace: operatorNamespace, MetricsAddress: "0", ProbeAddress: "0", LeaderElect: true, Identity: "test",
			ProsodyImage: "registry.example/prosody:13.0",
		})
	}()
	defer func() {
		stop()
		g.Eventually(ended, "30s").Should(gomega.Receive(gomega.BeNil()))
	}()

	accepted := func(name string) func() string {
		return func() string {
			fed := &v1alpha1.Federation{}
			if err := api.Get(t.Context(), client.ObjectKey{Namespace: "stored", Name: name}, fed); err != nil {
				return err.Error()
			}
			return told(fed.Status.Conditions, v1alpha1.ConditionAccepted)
		}
	}
	create := func(name, domain string) {
		fed := &v1alpha1.Federation{
			ObjectMeta: metav1.ObjectMeta{Namespace: "stored", Name: name},
			Spec:       v1alpha1.FederationSpec{Domains: []v1alpha1.DomainName{v1alpha1.DomainName(domain)}},
		}
		g.Expect(api.Create(t.Context(), fed)).To(gomega.Succeed())
		t.Cleanup(func() {
			free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
			g.Expect(api.Patch(context.Background(), fed, free)).To(gomega.Succeed())
			g.Expect(api.Delete(context.Background(), fed)).To(gomega.Succeed())
		})
	}
	create("other", "other.example")
	g.Eventually(accepted("other"), "30s", "50ms").Should(gomega.HavePrefix(v1alpha1.ReasonZoneNotFound), "another Federation is served")

	t.Log("whom it concerns is told which field it is")
	g.Eventually(accepted("stored"), "15s", "50ms").Should(gomega.And(
		gomega.HavePrefix(v1alpha1.ReasonSpecUnreadable), gomega.ContainSubstring("spec.server.storage.size")))
	g.Eventually(accepted("nameless"), "15s", "50ms").Should(gomega.And(
		gomega.HavePrefix(v1alpha1.ReasonSpecUnreadable), gomega.ContainSubstring("spec.domains")))
	event := func(kind, name string) func() string {
		return func() string {
			var events eventsv1.EventList
			g.Expect(api.List(t.Context(), &events)).To(gomega.Succeed())
			for _, event := range events.Items {
				if event.Reason == v1alpha1.ReasonSpecUnreadable && event.Regarding.Kind == kind && event.Regarding.Name == name {
					return event.Type + " " + event.Note
				}
			}
			return ""
		}
	}
	g.Eventually(event("Federation", "stored"), "15s", "50ms").Should(gomega.And(
		gomega.HavePrefix("Warning"), gomega.ContainSubstring("spec.server.storage.size")))
	ready := func(name string) func() string {
		return func() string {
			zone := &v1alpha1.DNSZone{}
			g.Expect(api.Get(t.Context(), client.ObjectKey{Name: name}, zone)).To(gomega.Succeed())
			return told(zone.Status.Conditions, v1alpha1.ConditionReady)
		}
	}
	g.Eventually(ready("stored"), "15s", "50ms").Should(gomega.And(
		gomega.HavePrefix(v1alpha1.ReasonSpecUnreadable), gomega.ContainSubstring("spec.brake.percent")))
	g.Eventually(event("DNSZone", "apexless"), "15s", "50ms").Should(gomega.ContainSubstring("spec.zone"),
		"the API server lets nobody write the status of such an object")

	t.Log("what it has stays its own")
	create("thief", "stored.example")
	g.Eventually(accepted("thief"), "15s", "50ms").Should(gomega.HavePrefix(v1alpha1.ReasonDomainClaimed))
	kept := &v1alpha1.Federation{}
	g.Expect(api.Get(t.Context(), client.ObjectKey{Namespace: "stored", Name: "stored"}, kept)).To(gomega.Succeed())
	g.Expect(kept.Finalizers).To(gomega.Equal([]string{"xmppfed.io/federation"}))
	g.Expect(kept.Status.Records).To(gomega.HaveLen(1))
	g.Expect(kept.Status.Records[0].State).To(gomega.Equal(v1alpha1.RecordPublished))

	t.Log("corrected, it goes on")
	correct := func(object client.Object, patch string) {
		g.Expect(api.Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch)))).To(gomega.Succeed())
	}
	correct(kept, `{"spec":{"server":{"storage":{"size":"1Gi"}}}}`)
	g.Eventually(accepted("stored"), "15s", "50ms").Should(gomega.HavePrefix(v1alpha1.ReasonAccepted + ":"))
	correct(&v1alpha1.DNSZone{ObjectMeta: metav1.ObjectMeta{Name: "stored"}}, `{"spec":{"brake":{"percent":50}}}`)
	g.Eventually(ready("stored"), "15s", "50ms").ShouldNot(gomega.HavePrefix(v1alpha1.ReasonSpecUnreadable))
}
