// SPDX-License-Identifier: Apache-2.0

package dnsendpoint

import (
	"cmp"
	"context"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// Apply changes one object after the other, each only as it was read. Prerequisites are looked at before the first.
func (p *Provider) Apply(ctx context.Context, change dns.Change) error {
	if err := change.CheckNames(p.Apex()); err != nil {
		return err
	}
	steps := stepsOf(change)
	keys := change.Conditions()
	for _, s := range steps {
		keys = append(keys, s.keys()...)
	}
	objects, err := p.read(ctx, keys)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if objects[s.place].foreign() {
			return p.foreign(s.place)
		}
	}
	if err := p.check(ctx, change, objects); err != nil {
		return err
	}
	for _, s := range steps {
		before := objects[s.place]
		if err := p.write(ctx, before, before.with(s.put, s.drop, p.BareTargets, p.Now())); err != nil {
			return err
		}
	}
	return nil
}

// check the prerequisites. Records that a wildcard makes up are nobody's; those that somebody wrote can't be taken over.
func (p *Provider) check(ctx context.Context, change dns.Change, objects map[string]object) error {
	sets, err := p.view(ctx, objects, change.Conditions())
	if err != nil {
		return err
	}
	var standing []dns.RRset
	for _, set := range sets {
		if _, handedOver := objects[placeOf(set.Key())].get(set.Key(), p.BareTargets); handedOver {
			standing = append(standing, set)
			continue
		}
		madeUp, err := p.madeUp(ctx, set)
		switch {
		case err != nil:
			return err
		case !madeUp:
			standing = append(standing, set)
		}
		put := func(want dns.RRset) bool { return want.Key() == set.Key() }
		if slices.ContainsFunc(change.Equal, put) && slices.ContainsFunc(change.Put, put) {
			return p.notTakenOver(set.Key())
		}
	}
	if !change.Holds(standing) {
		return dns.ErrPrerequisite
	}
	return nil
}

// step changes one object.
type step struct {
	place string
	put   []dns.RRset
	drop  []dns.Key
	stage dns.Stage
	// guarded tells that the object's ownership record changes too, which decides when.
	guarded bool
}

func (s step) keys() []dns.Key {
	keys := slices.Clone(s.drop)
	for _, set := range s.put {
		keys = append(keys, set.Key())
	}
	return keys
}

// stepsOf a change, in order. An object whose ownership record changes is written when that is due, any other in the
// earliest stage of its records.
func stepsOf(change dns.Change) []step {
	byPlace := map[string]step{}
	add := func(k dns.Key, stage dns.Stage, edit func(*step)) {
		s, found := byPlace[placeOf(k)]
		s.place = placeOf(k)
		ownership, _ := dns.Ownership(k)
		if !found || ownership || !s.guarded && stage < s.stage {
			s.stage = stage
		}
		s.guarded = s.guarded || ownership
		edit(&s)
		byPlace[s.place] = s
	}
	for _, k := range change.Drop {
		add(k, change.DropStage(k), func(s *step) { s.drop = append(s.drop, k) })
	}
	for _, set := range change.Put {
		add(set.Key(), change.PutStage(set.Key()), func(s *step) { s.put = append(s.put, set) })
	}
	return slices.SortedFunc(maps.Values(byPlace), func(a, b step) int {
		return cmp.Or(cmp.Compare(a.stage, b.stage), cmp.Compare(a.place, b.place))
	})
}

// write an object as it should be, provided that it is as it was. Only creating, which an apply can't be limited to, makes
// sure that nobody else did before.
func (p *Provider) write(ctx context.Context, before, after object) error {
	var err error
	switch {
	case !before.exists() && after.empty():
	case !before.exists():
		err = p.Client.Create(ctx, after.Unstructured, p.FieldOwner)
	case after.empty():
		uid, version := before.GetUID(), before.GetResourceVersion()
		err = p.Client.Delete(ctx, before.Unstructured, client.Preconditions(metav1.Preconditions{UID: &uid, ResourceVersion: &version}))
	default:
		err = p.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(after.Unstructured), p.FieldOwner, client.ForceOwnership)
	}
	switch {
	case err == nil:
		return nil
	case apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) && !noKind(err):
		return dns.ErrPrerequisite
	default:
		return dns.Unsettled(p.failure(ctx, err, before.GetName()))
	}
}
