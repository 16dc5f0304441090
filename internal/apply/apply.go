// SPDX-License-Identifier: Apache-2.0

// Package apply writes objects by server-side apply, owning only the fields that are set, and writes nothing when
// nothing changed.
package apply

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// FieldOwner is the name under which this operator owns fields.
const FieldOwner = client.FieldOwner("xmppfed")

// NotOursError says that an object of another owner has the name of one to apply.
type NotOursError struct {
	Kind string
	Key  client.ObjectKey
}

func (e *NotOursError) Error() string {
	return fmt.Sprintf("%s %s exists and does not belong to this Federation", e.Kind, e.Key)
}

// Applier applies objects and remembers what it applied.
type Applier struct {
	client client.Client
	reader client.Reader

	mu   sync.Mutex
	seen map[identity]applied
}

type identity struct {
	schema.GroupVersionKind
	client.ObjectKey
}

// applied is the state of an object after the last apply. While the object stays at that resource version and the
// wanted content stays the same, another apply would change nothing, and is left out.
type applied struct {
	content         [sha256.Size]byte
	resourceVersion string
}

// New returns an Applier that writes through c and reads object metadata from c's cache, and from live what the cache
// does not hold: the cache may be restricted to this operator's objects, but a name may be taken by another's.
func New(c client.Client, live client.Reader) *Applier {
	return &Applier{client: c, reader: live, seen: map[identity]applied{}}
}

// Apply makes the fields that obj sets stand in the cluster. Fields that obj leaves empty, and those of other owners,
// stay as they are. Nothing is sent when obj is as it was the last time and what it says still stands in the cluster.
func (a *Applier) Apply(ctx context.Context, obj client.Object) error {
	content, err := toUnstructured(obj, a.client.Scheme())
	if err != nil {
		return err
	}
	id := identity{content.GroupVersionKind(), client.ObjectKeyFromObject(obj)}
	raw, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encoding %s %s: %w", id.Kind, id.ObjectKey, err)
	}
	hash := sha256.Sum256(raw)

	live, err := a.metadata(ctx, id)
	if err != nil {
		return err
	}
	if live.UID != "" && !sameController(live, obj) {
		return &NotOursError{Kind: id.Kind, Key: id.ObjectKey}
	}
	now := applied{hash, live.ResourceVersion}
	if a.unchanged(id, now) || live.UID != "" && a.stands(ctx, id, now, content, obj) {
		return nil
	}
	if err := a.send(ctx, content); err != nil {
		return fmt.Errorf("applying %s %s: %w", id.Kind, id.ObjectKey, err)
	}
	a.remember(id, applied{hash, content.GetResourceVersion()})
	return nil
}

// send applies the content. What somebody else added to a list stays, and can contradict what this operator wants there:
// a Service whose port was edited would have two ports of one name. Then the lists are replaced.
func (a *Applier) send(ctx context.Context, content *unstructured.Unstructured) error {
	wanted := content.DeepCopy()
	apply := func() error {
		return a.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(content), FieldOwner, client.ForceOwnership)
	}
	err := apply()
	if !apierrors.IsInvalid(err) {
		return err
	}
	spec, encodeErr := json.Marshal(map[string]any{"spec": wanted.Object["spec"]})
	if encodeErr != nil {
		return encodeErr
	}
	if patchErr := a.client.Patch(ctx, wanted, client.RawPatch(types.MergePatchType, spec), FieldOwner); patchErr != nil {
		return err
	}
	return apply()
}

// metadata of the object in the cluster; without UID when there is none.
func (a *Applier) metadata(ctx context.Context, id identity) (*metav1.PartialObjectMetadata, error) {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(id.GroupVersionKind)
	err := a.client.Get(ctx, id.ObjectKey, live)
	if apierrors.IsNotFound(err) {
		err = a.reader.Get(ctx, id.ObjectKey, live)
	}
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading %s %s: %w", id.Kind, id.ObjectKey, err)
	}
	return live, nil
}

func sameController(live, wanted metav1.Object) bool {
	a, b := metav1.GetControllerOf(live), metav1.GetControllerOf(wanted)
	return a != nil && b != nil && a.UID == b.UID
}

func (a *Applier) unchanged(id identity, now applied) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return now.resourceVersion != "" && a.seen[id] == now
}

// sameContent tells that it was applied last, whatever happened to the object since.
func (a *Applier) sameContent(id identity, now applied) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen[id].content == now.content
}

func (a *Applier) remember(id identity, now applied) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[id] = now
}

// Forget drops what is remembered about objects with the given names in a namespace, because they are gone.
func (a *Applier) Forget(namespace string, names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.seen, func(id identity, _ applied) bool {
		return id.Namespace == namespace && slices.Contains(names, id.Name)
	})
}

// toUnstructured leaves out status and everything empty, because a field that is sent is a field that is owned.
func toUnstructured(obj client.Object, scheme *runtime.Scheme) (*unstructured.Unstructured, error) {
	kind, err := apiutil.GVKForObject(obj, scheme)
	if err != nil {
		return nil, fmt.Errorf("finding the kind of %T: %w", obj, err)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("converting %s %s: %w", kind.Kind, client.ObjectKeyFromObject(obj), err)
	}
	delete(content, "status")
	if metadata, ok := content["metadata"].(map[string]any); ok {
		delete(metadata, "creationTimestamp")
	}
	prune(content, "")
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(kind)
	return u, nil
}

// meaningfulWhenEmpty are fields of this operator's objects for which {} says something that absence does not.
var meaningfulWhenEmpty = map[string]bool{"emptyDir": true, "podSelector": true, "namespaceSelector": true}

func prune(value any, name string) (empty bool) {
	switch v := value.(type) {
	case nil:
		return true
	case map[string]any:
		for key, member := range v {
			if prune(member, key) {
				delete(v, key)
			}
		}
		return len(v) == 0 && !meaningfulWhenEmpty[name]
	case []any:
		for _, member := range v {
			prune(member, "")
		}
	}
	return false
}
