// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package operator

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// newCluster returns a client of an API server in which no installation of the operator has been yet, nor has when the test is over.
func newCluster(t *testing.T) client.Client {
	t.Helper()
	g := gomega.NewWithT(t)
	scheme, err := Scheme()
	g.Expect(err).NotTo(gomega.HaveOccurred())
	c, err := client.New(kubetest.Config(t), client.Options{Scheme: scheme})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	forget := func() {
		ctx := context.Background()
		crd, _, err := readClaims(ctx, c)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		before := crd.DeepCopy()
		delete(crd.Annotations, v1alpha1.AnnotationInstallations)
		g.Expect(c.Patch(ctx, crd, client.MergeFrom(before))).To(gomega.Succeed())
	}
	forget()
	t.Cleanup(forget)
	return c
}

// Each writes with the version that it read as the condition, so that one of them comes first, however many there are.
func TestInstallation_OfManyThatStartAtOnceOneWorks(t *testing.T) {
	const many = 5
	g, c := gomega.NewWithT(t), newCluster(t)
	errs := make([]error, many)
	var all sync.WaitGroup
	for i := range many {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: fmt.Sprintf("install-%d-", i)}}
		g.Expect(c.Create(t.Context(), namespace)).To(gomega.Succeed())
		this := install(c, namespace.Name)
		all.Go(func() {
			for errs[i] = this.try(t.Context()); apierrors.IsConflict(errs[i]); errs[i] = this.try(t.Context()) {
				this.known = identity{}
			}
		})
	}
	all.Wait()
	standing := 0
	for i, err := range errs {
		if err != nil {
			g.Expect(reasonOf(err)).To(gomega.Equal("InstallationStandsBy"), "installation %d: %v", i, err)
			standing++
		}
	}
	g.Expect(standing).To(gomega.Equal(many - 1))
	_, claims, err := readClaims(t.Context(), c)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(claims).To(gomega.HaveLen(1))
}

func TestInstallation_WhatItSaysAndMendsTheAPIServerTakes(t *testing.T) {
	g, c := gomega.NewWithT(t), newCluster(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "install-"}}
	g.Expect(c.Create(t.Context(), namespace)).To(gomega.Succeed())
	this := install(c, namespace.Name)
	g.Expect(this.try(t.Context())).To(gomega.Succeed())
	key := client.ObjectKey{Namespace: namespace.Name, Name: ownershipSecret}
	secret := &corev1.Secret{}
	for _, damage := range []func() error{
		func() error { return c.Delete(t.Context(), secret) },
		func() error { secret.Data = nil; return c.Update(t.Context(), secret) },
	} {
		g.Expect(c.Get(t.Context(), key, secret)).To(gomega.Succeed())
		g.Expect(damage()).To(gomega.Succeed())
		g.Expect(this.keepKey(t.Context())).To(gomega.Succeed())
		mended := &corev1.Secret{}
		g.Expect(c.Get(t.Context(), key, mended)).To(gomega.Succeed())
		g.Expect(mended.Data).To(gomega.Equal(this.known.data))
	}
	var list eventsv1.EventList
	g.Expect(c.List(t.Context(), &list, client.InNamespace(namespace.Name))).To(gomega.Succeed())
	restored := func(event eventsv1.Event) bool { return event.Reason == "OwnershipKeyRestored" }
	g.Expect(slices.ContainsFunc(list.Items, restored)).To(gomega.BeTrue())
}
