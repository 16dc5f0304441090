// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

const (
	// crdName is the object that all installations of a cluster have in common: it is there once, and goes with the last Federation.
	crdName = "federations.xmppfed.io"
	// goneAfter is how long the lease of an installation stands still until that installation is taken for gone. A pod that is
	// replaced takes less, unless its image can't be pulled.
	goneAfter = 2 * time.Minute
)

// readClaims returns the definition of Federations, of which only metadata is read, and the claims in its annotation.
func readClaims(ctx context.Context, c client.Client) (*metav1.PartialObjectMetadata, []claim, error) {
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	if err := c.Get(ctx, client.ObjectKey{Name: crdName}, crd); err != nil {
		return nil, nil, fmt.Errorf("reading CustomResourceDefinition %s, where installations find each other: %w", crdName, err)
	}
	claims, err := parseClaims(crd.Annotations[v1alpha1.AnnotationInstallations])
	return crd, claims, err
}

// writeClaims replaces the claims if they have changed. It fails when somebody else was quicker.
func writeClaims(ctx context.Context, c client.Client, crd *metav1.PartialObjectMetadata, standing, next []claim) error {
	if reflect.DeepEqual(standing, next) {
		return nil
	}
	text, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encoding the installations of the operator: %w", err)
	}
	before := crd.DeepCopy()
	metav1.SetMetaDataAnnotation(&crd.ObjectMeta, v1alpha1.AnnotationInstallations, string(text))
	if err := c.Patch(ctx, crd, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("noting this installation in CustomResourceDefinition %s: %w", crdName, err)
	}
	return nil
}

// heartbeats finds out which installations are alive: their leases change every few seconds. The times in leases are those of other
// machines, so only what changes while this one looks counts.
type heartbeats struct {
	client client.Client
	now    func() time.Time

	mu   sync.Mutex
	seen map[string]heartbeat
	// begun is set when this installation has a lease itself.
	begun bool
}

// heartbeat is the state of a lease and when it was first seen.
type heartbeat struct {
	version string
	since   time.Time
}

// begin sees to it that an installation has a lease before it has a claim, so that nobody takes it for gone while it starts.
// Leader election, or beat, goes on from there.
func (h *heartbeats) begin(ctx context.Context, namespace string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.begun {
		return nil
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: leaseName}}
	if err := h.client.Create(ctx, lease); client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("creating lease %s/%s: %w", namespace, leaseName, err)
	}
	h.begun = true
	return nil
}

// gone reports whether an installation is gone: it has no lease, or one that stands still. What can't be read is alive.
func (h *heartbeats) gone(ctx context.Context, namespace string) bool {
	lease := &coordinationv1.Lease{}
	err := h.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: leaseName}, lease)
	h.mu.Lock()
	defer h.mu.Unlock()
	if apierrors.IsNotFound(err) {
		delete(h.seen, namespace)
		return true
	}
	if err != nil {
		log.Error(err, "reading the lease of another installation", "namespace", namespace)
		return false
	}
	last, found := h.seen[namespace]
	if !found || last.version != lease.ResourceVersion {
		last = heartbeat{lease.ResourceVersion, h.now()}
		h.seen[namespace] = last
	}
	return h.now().Sub(last.since) >= goneAfter
}
