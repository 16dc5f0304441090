// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

const (
	// readyWithin is for a Federation with everything: volume, pod, address, records, check from outside.
	readyWithin = 90 * time.Second
	// goneWithin is for deletion in order.
	goneWithin = 60 * time.Second
	// soon is for what the operator does by itself, without a pod to start.
	soon = 15 * time.Second
	// poll is how often things are looked at.
	poll = 50 * time.Millisecond
	// closely is how often when the moment matters; more often would take the processor from what is measured.
	closely = 10 * time.Millisecond
	// publishedWithin is generous: it covers Service, address, update, all authoritative servers and status, on a machine
	// that is busy. Tests that are about speed measure it themselves.
	publishedWithin = time.Minute
)

// site is a test with a namespace of its own.
type site struct {
	*testing.T
	*WithT
	ctx       context.Context
	namespace string
	// zone is what transfer reads and expectedRecords speaks of: example.net, or one that the test has for itself.
	zone string
}

// allowed are the labels of a namespace that may publish in example.net.
var allowed = map[string]string{labelAllowed: "true"}

// newSite makes a namespace named after the test, anew if an earlier run left it, and removes it with everything in it
// after the test. A suffix tells several of one test apart.
func newSite(t *testing.T, suffix string, labels map[string]string) *site {
	t.Helper()
	uses(t, shared(theOperator, publicDNS))
	s := &site{
		T: t, WithT: NewWithT(t), ctx: context.Background(),
		namespace: "e2e-" + nameOf(t) + suffix, zone: zone,
	}
	s.remove()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace, Labels: labels}}
	s.Eventually(func() bool {
		return apierrors.IsNotFound(cluster.Get(s.ctx, client.ObjectKeyFromObject(namespace), &corev1.Namespace{}))
	}, 90*time.Second, poll).Should(BeTrue(), "namespace %s of an earlier run to be gone", s.namespace)
	s.create(namespace)
	t.Cleanup(func() {
		if t.Failed() {
			s.diagnose()
		}
		s.remove()
	})
	return s
}

var forbidden = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf a test, as a namespace may be named.
func nameOf(t *testing.T) string {
	name := forbidden.ReplaceAllString(strings.ToLower(strings.TrimPrefix(t.Name(), "Test")), "-")
	return strings.Trim(name[:min(len(name), 50)], "-")
}

// newAllowedSite makes a namespace that may publish in example.net.
func newAllowedSite(t *testing.T) *site {
	t.Helper()
	return newSite(t, "", allowed)
}

// in has the site look at a zone of its own.
func (s *site) in(apex string) *site {
	s.zone = apex
	return s
}

// remove deletes the Federations, while the operator still may read what they refer to, and then the namespace, which is
// left to Kubernetes to finish.
func (s *site) remove() {
	s.Helper()
	s.must(cluster.DeleteAllOf(s.ctx, &v1alpha1.Federation{}, client.InNamespace(s.namespace)))
	s.Eventually(func(g Gomega) {
		var left v1alpha1.FederationList
		g.Expect(cluster.List(s.ctx, &left, client.InNamespace(s.namespace))).To(Succeed())
		g.Expect(left.Items).To(BeEmpty(), "Federations that ought to be gone")
	}, goneWithin, poll).Should(Succeed())
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	s.must(client.IgnoreNotFound(cluster.Delete(s.ctx, namespace)))
}

// federation is one for a domain, with records that live for a second and thus are gone soon.
func (s *site) federation(domain string) *v1alpha1.Federation {
	name, _, _ := strings.Cut(domain, ".")
	return &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec: v1alpha1.FederationSpec{
			Domains: []v1alpha1.DomainName{v1alpha1.DomainName(domain)},
			DNS:     v1alpha1.DNSSpec{TTL: 1},
			Verification: v1alpha1.VerificationSpec{
				Interval:  metav1.Duration{Duration: 5 * time.Minute},
				Resolvers: []v1alpha1.ServerAddress{lab.Primary, lab.Secondary},
			},
		},
	}
}

// withoutPods has no node take the pods, and the records wait for none: for tests about addresses and records, which don't
// need any.
func withoutPods(fed *v1alpha1.Federation) *v1alpha1.Federation {
	fed.Spec.DNS.PublicationPolicy = v1alpha1.PublishImmediately
	fed.Spec.Server.PodTemplate = &v1alpha1.PodTemplateSpec{NodeSelector: map[string]string{"xmppfed.io/no-such-node": "true"}}
	return fed
}

// must ends the test when something went wrong that is not its subject.
func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// create creates objects in the cluster.
func (s *site) create(objects ...client.Object) {
	s.Helper()
	for _, object := range objects {
		s.must(cluster.Create(s.ctx, object))
	}
}

// change changes an object in the cluster; object then is as the cluster has it.
func change[T client.Object](s *site, object T, edit func(T)) {
	s.Helper()
	s.must(cluster.Get(s.ctx, client.ObjectKeyFromObject(object), object))
	before := object.DeepCopyObject().(client.Object)
	edit(object)
	s.must(cluster.Patch(s.ctx, object, client.MergeFrom(before)))
}

// condition reads a condition that speaks of the newest generation; an empty one if there is none yet. The rest of fed
// is renewed on the way.
func (s *site) condition(fed *v1alpha1.Federation, conditionType string) metav1.Condition {
	s.Helper()
	s.must(cluster.Get(s.ctx, client.ObjectKeyFromObject(fed), fed))
	condition := meta.FindStatusCondition(fed.Status.Conditions, conditionType)
	if condition == nil || condition.ObservedGeneration != fed.Generation {
		return metav1.Condition{}
	}
	return *condition
}

// await waits until a condition has the status and reason, and returns it.
func (s *site) await(
	fed *v1alpha1.Federation, within time.Duration, conditionType string, status metav1.ConditionStatus, reason string,
) metav1.Condition {
	s.Helper()
	var found metav1.Condition
	s.Eventually(func() string {
		found = s.condition(fed, conditionType)
		return string(found.Status) + " " + found.Reason
	}, within, poll).Should(Equal(string(status)+" "+reason), func() string {
		return conditionType + " of " + fed.Name + ": " + found.Message
	})
	return found
}

// mentions makes sure that a message has every one of the words, and shows it.
func (s *site) mentions(message string, words ...string) {
	s.Helper()
	s.Log(message)
	for _, w := range words {
		s.Expect(message).To(ContainSubstring(w))
	}
}

func (s *site) awaitReady(fed *v1alpha1.Federation) {
	s.Helper()
	s.await(fed, readyWithin, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func (s *site) awaitPublished(fed *v1alpha1.Federation) {
	s.Helper()
	s.await(fed, publishedWithin, v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
}

// publicService is the Service of type LoadBalancer.
func (s *site) publicService(fed *v1alpha1.Federation) *corev1.Service {
	s.Helper()
	var service corev1.Service
	s.must(cluster.Get(s.ctx, client.ObjectKey{Namespace: fed.Namespace, Name: fed.Name + "-s2s"}, &service))
	return &service
}

// records asks a server.
func (s *site) records(server, name string, recordType uint16) []string {
	s.Helper()
	data, err := lab.Query(s.ctx, server, name, recordType)
	s.Expect(err).NotTo(HaveOccurred())
	return data
}

// transfer reads all of the site's zone.
func (s *site) transfer() []string {
	s.Helper()
	records, err := lab.Transfer(s.zone)
	s.Expect(err).NotTo(HaveOccurred())
	return records
}

// lab runs a command of the lab.
func (s *site) lab(args ...string) string {
	s.Helper()
	usesCommand(s.T, args...)
	out, err := lab.Run(s.ctx, args...)
	s.must(err)
	return out
}
