// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// startInterval is how long an operator that can't work yet waits before it looks again. It does so itself, rather than to end
	// and be started again: the kubelet takes up to five minutes for that when it happens often.
	startInterval = 2 * time.Second
	// keepInterval is how often an operator that works looks whether its key and its claim still stand: three small requests.
	keepInterval = 30 * time.Second
	// maxNote is the longest note an event may have, in bytes.
	maxNote = 1000
)

var log = ctrl.Log.WithName("installation")

// installation is this installation of the operator among those in the cluster.
type installation struct {
	client  client.Client
	options Options
	probes  *probes
	beats   *heartbeats
	// known is the identity that this operator works with.
	known identity
	// silent is set while another installation writes the status of DNSZones, which all have in common.
	silent atomic.Bool
	// told is what was said last of why it does not work.
	told string
	// toldLeftOut are messages about namespaces that can't be watched, each of which is told once.
	toldLeftOut []string
	// changed is set while the Secret holds other keys than the one in use, of which is told once.
	changed bool
}

func newInstallation(c client.Client, options Options, p *probes, now func() time.Time) *installation {
	return &installation{
		client: c, options: options, probes: p, beats: &heartbeats{client: c, now: now, seen: map[string]heartbeat{}},
	}
}

// await waits until this installation may work and has an identity. It reports false when the context ends before.
func (i *installation) await(ctx context.Context) bool {
	for {
		err := i.try(ctx)
		if err == nil {
			i.probes.set("")
			return true
		}
		if ctx.Err() == nil {
			i.known = identity{} // it may be another one when whatever is wrong is mended
			i.say(ctx, err)
		}
		timer := time.NewTimer(wait.Jitter(startInterval, 0.5))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

// say tells why the operator does not work, once.
func (i *installation) say(ctx context.Context, err error) {
	i.probes.set(err.Error())
	if err.Error() == i.told {
		return
	}
	i.told = err.Error()
	log.Info("waiting before work begins", "why", err.Error())
	var held *hold
	if errors.As(err, &held) {
		i.tell(ctx, held.reason, held.message)
	}
}

// try finds out whether this installation may work, and takes its place among the others.
func (i *installation) try(ctx context.Context) error {
	crd, standing, err := readClaims(ctx, i.client)
	if err != nil {
		return err
	}
	gone := func(namespace string) bool { return i.beats.gone(ctx, namespace) }
	own := claim{Namespace: i.options.Namespace, Watches: slices.Sorted(slices.Values(i.options.WatchNamespaces))}
	if err := admit(own, standing, gone); err != nil {
		return err
	}
	if i.known.cluster == "" {
		if i.known, err = findIdentity(ctx, i.client, i.options.Namespace, own.Watches); err != nil {
			return err
		}
	}
	own.Key = i.known.prints[0]
	next, err := succeed(own, i.known.prints, standing, gone)
	if err != nil {
		return err
	}
	if err := i.beats.begin(ctx, own.Namespace); err != nil {
		return err
	}
	if err := writeClaims(ctx, i.client, crd, standing, next); err != nil {
		return err
	}
	i.silent.Store(next[0].Namespace != own.Namespace)
	return nil
}

// Start looks after what this installation needs as long as it works: it runs where the controllers do. It ends with an error, and
// the operator with it, when another installation has come first.
func (i *installation) Start(ctx context.Context) error {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	for {
		if err := i.keepKey(ctx); err != nil && ctx.Err() == nil {
			log.Error(err, "looking after the key of ownership records")
		}
		var held *hold
		if err := i.try(ctx); errors.As(err, &held) {
			i.tell(ctx, held.reason, held.message)
			return held
		} else if err != nil && ctx.Err() == nil {
			log.Error(err, "looking after the place among installations")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// keepKey sees to it that the next start finds a key that recognises what was signed.
func (i *installation) keepKey(ctx context.Context) error {
	key := client.ObjectKey{Namespace: i.options.Namespace, Name: ownershipSecret}
	secret := &corev1.Secret{}
	err := i.client.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		if err := i.client.Create(ctx, newOwnershipSecret(key, i.known.data)); err != nil {
			return client.IgnoreAlreadyExists(err)
		}
		i.tell(ctx, "OwnershipKeyRestored", fmt.Sprintf("Secret %s was deleted, and is back with the key that is in use", key))
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading Secret %s: %w", key, err)
	}
	_, prints, unusable := signerOf(secret.Data)
	switch {
	case unusable != nil:
		before := secret.DeepCopy()
		secret.Data = i.known.data
		if err := i.client.Patch(ctx, secret, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return fmt.Errorf("putting the keys of Secret %s back: %w", key, err)
		}
		i.tell(ctx, "OwnershipKeyRestored",
			fmt.Sprintf("Secret %s could not be used (%v), and has the keys that are in use again", key, unusable))
	case slices.Contains(prints, i.known.prints[0]):
		i.changed = false
	case !i.changed:
		i.changed = true
		i.tell(ctx, "OwnershipKeyChanged", fmt.Sprintf("Secret %s holds other keys than the one in use, and after its next start the "+
			"operator would not recognise what that one signed; keep it as %s of the Secret, or put it back", key, previousOwnershipKey))
	}
	return nil
}

// tell leaves an event about this operator's pod, and a line in the log.
func (i *installation) tell(ctx context.Context, reason, message string) {
	log.Info(message, "reason", reason)
	event := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: i.options.Namespace, GenerateName: "xmppfed-operator-"},
		EventTime:  metav1.NowMicro(), Type: corev1.EventTypeWarning,
		Reason: reason, Action: "Work", Note: message[:min(len(message), maxNote)],
		ReportingController: "xmppfed", ReportingInstance: i.options.Identity,
		Regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: i.options.Namespace, Name: i.options.Identity},
	}
	if err := i.client.Create(ctx, event); err != nil && ctx.Err() == nil {
		log.Error(err, "writing an event", "reason", reason)
	}
}
