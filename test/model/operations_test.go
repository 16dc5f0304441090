// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

const labelAllowed = "example.com/allowed"

var (
	apexes     = []string{"one.example", "two.example"}
	namespaces = []string{"chat", "sales"}
	// federations are the names that Federations may have. Those of even numbers live in the first namespace.
	federations = []string{"f0", "f1", "f2", "f3"}
	// domains that Federations may want.
	domains = []string{"a.one.example", "b.one.example", "c.one.example", "d.two.example"}
)

// operation is one thing that happens. A and B choose whom it happens to; an operation that does not apply does nothing, so
// that any part of a sequence is a sequence.
type operation struct {
	Kind string
	A, B int
}

func (o operation) String() string { return fmt.Sprintf("%s:%d:%d", o.Kind, o.A, o.B) }

// operations by kind, with how often each is drawn.
var operations = []struct {
	kind   string
	weight int
	run    func(w *world, a, b int) error
}{
	{"create", 10, (*world).opCreate},
	{"domains", 8, (*world).opDomains},
	{"host", 4, (*world).opHost},
	{"ttl", 3, (*world).opTTL},
	{"port", 3, (*world).opPort},
	{"move", 5, (*world).opMove},
	{"keep", 2, (*world).opKeep},
	{"strip", 3, (*world).opStrip},
	{"swap", 5, (*world).opSwap},
	{"delete", 6, (*world).opDelete},
	{"lose-status", 4, (*world).opLoseStatus},
	{"restore", 4, (*world).opRestore},
	{"suspend", 2, (*world).opSuspend},
	{"readdress", 5, (*world).opReaddress},
	{"kill", 4, (*world).opKill},
	{"die-later", 6, (*world).opDieLater},
	{"clock", 3, (*world).opClock},
	{"foreign", 4, (*world).opForeign},
	{"unforeign", 3, (*world).opUnforeign},
	{"vandal", 4, (*world).opVandal},
	{"revoke", 2, (*world).opRevoke},
	{"zone-key", 3, (*world).opZoneKey},
	{"zone-gone", 2, (*world).opZoneGone},
	{"wait", 14, (*world).opWait},
	{"rest", 24, func(*world, int, int) error { return nil }}, // see playAll
}

// draw makes up a sequence.
func draw(random *rand.Rand) []operation {
	total := 0
	for _, o := range operations {
		total += o.weight
	}
	sequence := []operation{{"create", 0, random.IntN(1000)}}
	for range 3 + random.IntN(14) {
		pick := random.IntN(total)
		for _, o := range operations {
			if pick -= o.weight; pick < 0 {
				sequence = append(sequence, operation{o.kind, random.IntN(1000), random.IntN(1000)})
				break
			}
		}
	}
	return sequence
}

// parse reads what String wrote, for a replay.
func parse(text string) ([]operation, error) {
	var sequence []operation
	for _, word := range strings.Fields(text) {
		parts := strings.Split(word, ":")
		if len(parts) != 3 {
			return nil, fmt.Errorf("reading operation %q: want KIND:A:B", word)
		}
		o := operation{Kind: parts[0]}
		if _, err := fmt.Sscan(parts[1]+" "+parts[2], &o.A, &o.B); err != nil {
			return nil, fmt.Errorf("reading operation %q: %w", word, err)
		}
		sequence = append(sequence, o)
	}
	return sequence, nil
}

func (w *world) perform(o operation) error {
	for _, known := range operations {
		if known.kind == o.Kind {
			return known.run(w, o.A, o.B)
		}
	}
	return fmt.Errorf("performing %s: no such operation", o)
}

// keyOf is the Federation of a number.
func keyOf(number int) client.ObjectKey {
	i := number % len(federations)
	return client.ObjectKey{Namespace: namespaces[i%len(namespaces)], Name: federations[i]}
}

// choice is a set of one to three domains.
func choice(number int) []v1alpha1.DomainName {
	var chosen []v1alpha1.DomainName
	for i, domain := range domains {
		if (1+number%(1<<len(domains)-1))>>i&1 == 1 {
			chosen = append(chosen, v1alpha1.DomainName(domain))
		}
	}
	return chosen
}

// federation is a manifest as an application team has it in its repository.
func federation(key client.ObjectKey, wants []v1alpha1.DomainName) *v1alpha1.Federation {
	return &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Spec: v1alpha1.FederationSpec{
			Domains: wants,
			DNS:     v1alpha1.DNSSpec{Hostname: v1alpha1.DomainName(key.Name + ".one.example"), TTL: 60},
		},
	}
}

func (w *world) opCreate(a, b int) error {
	delete(w.orphans, ownerOf(keyOf(a))) // who has the name again has the records again
	return client.IgnoreAlreadyExists(w.api.Create(context.Background(), federation(keyOf(a), choice(b))))
}

// edit changes a Federation that exists and is not being deleted.
func (w *world) edit(key client.ObjectKey, by func(*v1alpha1.Federation)) error {
	for {
		fed := &v1alpha1.Federation{}
		if err := w.api.Get(context.Background(), key, fed); err != nil || !fed.DeletionTimestamp.IsZero() {
			return client.IgnoreNotFound(err)
		}
		by(fed)
		if err := w.api.Update(context.Background(), fed); !apierrors.IsConflict(err) {
			return err
		}
	}
}

func (w *world) opDomains(a, b int) error {
	return w.edit(keyOf(a), func(fed *v1alpha1.Federation) { fed.Spec.Domains = choice(b) })
}

func (w *world) opHost(a, b int) error {
	return w.edit(keyOf(a), func(fed *v1alpha1.Federation) {
		fed.Spec.DNS.Hostname = v1alpha1.DomainName(federations[b%len(federations)] + "." + apexes[b/7%len(apexes)])
	})
}

func (w *world) opTTL(a, b int) error {
	return w.edit(keyOf(a), func(fed *v1alpha1.Federation) { fed.Spec.DNS.TTL = []int32{60, 120, 300}[b%3] })
}

func (w *world) opPort(a, b int) error {
	return w.edit(keyOf(a), func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Port = []int32{5269, 5369}[b%2] })
}

// opMove moves the domains of a Federation to another one, be it in another namespace, in the way that is documented.
func (w *world) opMove(a, b int) error {
	giver := &v1alpha1.Federation{}
	if err := w.api.Get(context.Background(), keyOf(a), giver); err != nil || keyOf(a) == keyOf(b) {
		return client.IgnoreNotFound(err)
	}
	if err := w.edit(keyOf(a), func(fed *v1alpha1.Federation) { fed.Spec.DNS.TransferTo = ownerOf(keyOf(b)) }); err != nil {
		return err
	}
	return w.edit(keyOf(b), func(fed *v1alpha1.Federation) {
		fed.Spec.Domains, fed.Spec.DNS.TransferTo = giver.Spec.Domains, ""
	})
}

// opKeep has a Federation keep what it offered.
func (w *world) opKeep(a, _ int) error {
	return w.edit(keyOf(a), func(fed *v1alpha1.Federation) { fed.Spec.DNS.TransferTo = "" })
}

// opSwap exchanges the domains of two Federations, or their host names.
func (w *world) opSwap(a, b int) error {
	if keyOf(a) == keyOf(b) {
		return nil
	}
	first, second := &v1alpha1.Federation{}, &v1alpha1.Federation{}
	for key, fed := range map[client.ObjectKey]*v1alpha1.Federation{keyOf(a): first, keyOf(b): second} {
		if err := w.api.Get(context.Background(), key, fed); err != nil {
			return client.IgnoreNotFound(err)
		}
	}
	one, two := first.Spec.DeepCopy(), second.Spec.DeepCopy()
	swap := func(from *v1alpha1.FederationSpec) func(*v1alpha1.Federation) {
		return func(fed *v1alpha1.Federation) {
			if a%3 == 0 {
				fed.Spec.DNS.Hostname = from.DNS.Hostname
				return
			}
			fed.Spec.Domains = from.Domains
		}
	}
	if err := w.edit(keyOf(a), swap(two)); err != nil {
		return err
	}
	return w.edit(keyOf(b), swap(one))
}

// opDelete deletes a Federation. One that the operator has not given its finalizer goes at once, and what the Federation that had the
// name before a restore published is left to nobody.
func (w *world) opDelete(a, _ int) error {
	fed := &v1alpha1.Federation{}
	if err := w.api.Get(context.Background(), keyOf(a), fed); err != nil {
		return client.IgnoreNotFound(err)
	}
	if len(fed.Finalizers) == 0 {
		w.orphans[ownerOf(keyOf(a))] = true
	}
	return client.IgnoreNotFound(w.api.Delete(context.Background(), fed))
}

func (w *world) opLoseStatus(a, _ int) error {
	fed := &v1alpha1.Federation{}
	if err := w.api.Get(context.Background(), keyOf(a), fed); err != nil {
		return client.IgnoreNotFound(err)
	}
	fed.Status = v1alpha1.FederationStatus{}
	err := w.api.Status().Update(context.Background(), fed)
	if apierrors.IsConflict(err) {
		return nil // the operator was faster
	}
	return client.IgnoreNotFound(err)
}

// opRestore is a cluster that is restored from a backup: the same Federations, new UIDs, no status, in an order of its own,
// while the zones are as they were.
func (w *world) opRestore(a, _ int) error {
	ctx := context.Background()
	if err := w.kill(); err != nil {
		return err
	}
	var feds v1alpha1.FederationList
	if err := w.api.List(ctx, &feds); err != nil {
		return err
	}
	for i := range feds.Items {
		fed := &feds.Items[i]
		fed.Finalizers = nil
		if err := w.api.Update(ctx, fed); err != nil {
			return err
		}
		if err := client.IgnoreNotFound(w.api.Delete(ctx, fed)); err != nil {
			return err
		}
	}
	if err := w.simulate(); err != nil {
		return err
	}
	for i := range feds.Items {
		fed := feds.Items[(i+a)%len(feds.Items)]
		if !fed.DeletionTimestamp.IsZero() {
			w.orphans[ownerOf(client.ObjectKeyFromObject(&fed))] = true
			continue
		}
		restored := &v1alpha1.Federation{
			ObjectMeta: metav1.ObjectMeta{Namespace: fed.Namespace, Name: fed.Name, Labels: fed.Labels, Annotations: fed.Annotations},
			Spec:       fed.Spec,
		}
		if err := w.api.Create(ctx, restored); err != nil {
			return err
		}
		time.Sleep(time.Second) // of the bubble, which pass at once: creation times have whole seconds, and must differ
	}
	return w.startOperator()
}

func (w *world) opSuspend(a, b int) error {
	return w.edit(keyOf(a), func(fed *v1alpha1.Federation) { fed.Spec.Suspend = b%2 == 0 })
}

// opReaddress has the cloud give a load balancer another address.
func (w *world) opReaddress(a, _ int) error {
	key := keyOf(a)
	service := &corev1.Service{}
	if err := w.api.Get(context.Background(), client.ObjectKey{Namespace: key.Namespace, Name: key.Name + "-s2s"}, service); err != nil {
		return client.IgnoreNotFound(err)
	}
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: w.nextAddress()}}
	return w.api.Status().Update(context.Background(), service)
}

func (w *world) opKill(int, int) error {
	if err := w.kill(); err != nil {
		return err
	}
	return w.startOperator()
}

// opDieLater has the operator die in the middle of what it does next.
func (w *world) opDieLater(a, _ int) error {
	w.life.fuse.Store(int64(a % 12))
	return nil
}

func (w *world) opClock(a, _ int) error {
	jumps := []time.Duration{0, 365 * 24 * time.Hour, -365 * 24 * time.Hour, 10 * time.Minute, -10 * time.Minute}
	w.skew.Store(int64(jumps[a%len(jumps)]))
	return nil
}
