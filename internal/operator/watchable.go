// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

const (
	// failingFor is how long a kind counts as one that can't be watched after it was tried last. It is tried every minute at least.
	failingFor = 2 * time.Minute
	// restoreRights is what to do about a namespace that the operator may not watch.
	restoreRights = "the cluster's administrator has to restore the operator's Role and RoleBinding there, as `helm upgrade` does, or " +
		"take the namespace out of watchNamespaces"
)

// watchedKinds are the namespaced kinds that controllers watch.
var watchedKinds = []schema.GroupVersionKind{
	v1alpha1.GroupVersion.WithKind("Federation"), appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
	corev1.SchemeGroupVersion.WithKind("Service"), corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	corev1.SchemeGroupVersion.WithKind("Secret"), corev1.SchemeGroupVersion.WithKind("Pod"), corev1.SchemeGroupVersion.WithKind("Event"),
	policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"), networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"),
}

// splitWatchable returns which namespaces the operator may watch, and of the others what is forbidden. Caches wait for all of theirs
// before any work begins, so one that can't be watched must not be among them.
func splitWatchable(ctx context.Context, c client.Reader, namespaces []string) ([]string, map[string]string, error) {
	var watchable []string
	forbidden := map[string]string{}
	for _, namespace := range namespaces {
		err := mayList(ctx, c, namespace)
		switch {
		case err == nil:
			watchable = append(watchable, namespace)
		case apierrors.IsForbidden(err):
			forbidden[namespace] = err.Error()
		default:
			return nil, nil, fmt.Errorf("finding out what can be watched in namespace %s: %w", namespace, err)
		}
	}
	return watchable, forbidden, nil
}

func mayList(ctx context.Context, c client.Reader, namespace string) error {
	for _, kind := range watchedKinds {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := c.List(ctx, list, client.InNamespace(namespace), client.Limit(1)); err != nil {
			return err
		}
	}
	return nil
}

// watched is what is known of the objects that the operator has in its caches.
type watched struct {
	now func() time.Time

	mu sync.Mutex
	// filled is set when all caches had everything for the first time.
	filled bool
	// leftOut are the watched namespaces that the operator may not watch, with what is forbidden.
	leftOut map[string]string
	// failing has when listing or watching last failed with an error, by its text.
	failing map[string]time.Time
}

// fill marks all caches as filled.
func (w *watched) fill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.filled = true
}

func (w *watched) leaveOut(namespaces map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leftOut = namespaces
}

// note is called with each error that ends a watch, which is then tried again.
func (w *watched) note(ctx context.Context, r *toolscache.Reflector, err error) {
	toolscache.DefaultWatchErrorHandler(ctx, r, err)
	w.noteError(err)
}

func (w *watched) noteError(err error) {
	if err == nil || errors.Is(err, io.EOF) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return // watches end like that all the time
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing == nil {
		w.failing = map[string]time.Time{}
	}
	text := err.Error()
	if apierrors.IsForbidden(err) {
		text += "; " + restoreRights
	}
	w.failing[text] = w.now()
}

// report returns whether work can begin, and what is not watched; empty when everything is.
func (w *watched) report() (filled bool, missing string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.failing, func(_ string, last time.Time) bool { return w.now().Sub(last) >= failingFor })
	lines := slices.Sorted(maps.Keys(w.failing))
	for _, namespace := range slices.Sorted(maps.Keys(w.leftOut)) {
		lines = append(lines, leftOutMessage(namespace, w.leftOut[namespace]))
	}
	return w.filled, strings.Join(lines, "\n")
}

func leftOutMessage(namespace, forbidden string) string {
	return fmt.Sprintf("Federations in namespace %s are not served: %s; %s", namespace, forbidden, restoreRights)
}

// filling marks the caches as filled as soon as the manager starts it, which it does then.
type filling struct{ *watched }

// NeedLeaderElection has the manager start it in an operator that only waits for its turn, too.
func (filling) NeedLeaderElection() bool { return false }

// Start marks the caches as filled.
func (f filling) Start(context.Context) error {
	f.fill()
	return nil
}

// returning ends the operator when a namespace that it left out can be watched, because its caches have to be made anew for that.
type returning struct {
	client  client.Reader
	leftOut []string
}

// NeedLeaderElection has the manager start it in an operator that only waits for its turn, too.
func (returning) NeedLeaderElection() bool { return false }

// Start looks from time to time.
func (r returning) Start(ctx context.Context) error {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		back, _, err := splitWatchable(ctx, r.client, r.leftOut)
		if err != nil && ctx.Err() == nil {
			log.Error(err, "looking at the namespaces that are left out")
		}
		if len(back) > 0 {
			return fmt.Errorf("starting again, as the operator may watch namespaces again that it left out: %s", strings.Join(back, ", "))
		}
	}
}

// awaitWatchable leaves out the namespaces that can't be watched, and waits until there is one that can. It returns nothing when
// the context ends before.
func (i *installation) awaitWatchable(ctx context.Context, namespaces []string) (watchable, leftOut []string) {
	for ctx.Err() == nil {
		usable, forbidden, err := splitWatchable(ctx, i.client, namespaces)
		i.leaveOut(ctx, forbidden)
		switch {
		case err != nil && ctx.Err() == nil:
			i.say(ctx, err)
		case len(usable) > 0:
			i.probes.set("")
			return usable, slices.Sorted(maps.Keys(forbidden))
		default:
			i.probes.set("waiting for the right to watch any of the namespaces in watchNamespaces")
		}
		timer := time.NewTimer(startInterval)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
	return nil, nil
}

// leaveOut notes which namespaces are left out, and tells each once.
func (i *installation) leaveOut(ctx context.Context, forbidden map[string]string) {
	i.probes.watched.leaveOut(forbidden)
	for _, namespace := range slices.Sorted(maps.Keys(forbidden)) {
		if message := leftOutMessage(namespace, forbidden[namespace]); !slices.Contains(i.toldLeftOut, message) {
			i.toldLeftOut = append(i.toldLeftOut, message)
			i.tell(ctx, "NamespaceNotWatched", message)
		}
	}
}
