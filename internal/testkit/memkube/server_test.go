// SPDX-License-Identifier: Apache-2.0

package memkube_test

import (
	"slices"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/testkit/memkube"
)

func newClient(t *testing.T) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	server, err := memkube.New(scheme)
	must(t, err)
	c, err := client.NewWithWatch(server.Config(), client.Options{Scheme: scheme, Mapper: server.Mapper()})
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func named(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: name}}
}

func federation() *v1alpha1.Federation {
	return &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "cup"},
		Spec:       v1alpha1.FederationSpec{Domains: []v1alpha1.DomainName{"cupdomain.com"}},
	}
}

func TestServer_AnUpdateOfAnOldCopyIsAConflict(t *testing.T) {
	c := newClient(t)
	first := named("a")
	must(t, c.Create(t.Context(), first))
	old := first.DeepCopy()
	first.Data = map[string]string{"x": "1"}
	must(t, c.Update(t.Context(), first))
	old.Data = map[string]string{"x": "2"}
	if err := c.Update(t.Context(), old); !apierrors.IsConflict(err) {
		t.Errorf("updating an old copy: %v", err)
	}
	patched := old.DeepCopy()
	patched.Data["x"] = "3"
	patch := client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})
	if err := c.Patch(t.Context(), patched, patch); !apierrors.IsConflict(err) {
		t.Errorf("patching an old copy: %v", err)
	}
	if err := c.Create(t.Context(), named("a")); !apierrors.IsAlreadyExists(err) {
		t.Errorf("creating what is there: %v", err)
	}
}

func TestServer_AnObjectWithAFinalizerGoesWithItsLastOne(t *testing.T) {
	c := newClient(t)
	held := named("a")
	held.Finalizers = []string{"example.com/held"}
	must(t, c.Create(t.Context(), held))
	must(t, c.Delete(t.Context(), held))
	must(t, c.Get(t.Context(), client.ObjectKeyFromObject(held), held))
	if held.DeletionTimestamp == nil {
		t.Error("the object is not being deleted")
	}
	held.Finalizers = nil
	must(t, c.Update(t.Context(), held))
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(held), held); !apierrors.IsNotFound(err) {
		t.Errorf("reading what is gone: %v", err)
	}
	another := named("a")
	must(t, c.Create(t.Context(), another))
	if another.UID == held.UID || another.UID == "" {
		t.Errorf("UID %q after %q", another.UID, held.UID)
	}
}

func TestServer_GeneratedNamesDiffer(t *testing.T) {
	c := newClient(t)
	a, b := named(""), named("")
	a.GenerateName, b.GenerateName = "gen-", "gen-"
	must(t, c.Create(t.Context(), a))
	must(t, c.Create(t.Context(), b))
	if a.Name == "" || a.Name == b.Name {
		t.Errorf("names %q and %q", a.Name, b.Name)
	}
}

func TestServer_TheGenerationCountsChangesOfTheSpecAndStatusIsASubresource(t *testing.T) {
	c := newClient(t)
	fed := federation()
	fed.Status.DNSOwner = "ignored"
	must(t, c.Create(t.Context(), fed))
	if fed.Generation != 1 || fed.Status.DNSOwner != "" || fed.Spec.Server.Replicas == 0 {
		t.Errorf("created with generation %d, owner %q, %d replicas", fed.Generation, fed.Status.DNSOwner, fed.Spec.Server.Replicas)
	}
	fed.Status.DNSOwner = "abc"
	must(t, c.Status().Update(t.Context(), fed))
	if fed.Generation != 1 || fed.Status.DNSOwner != "abc" {
		t.Errorf("generation %d, owner %q after a change of status", fed.Generation, fed.Status.DNSOwner)
	}
	fed.Spec.Suspend = true
	must(t, c.Update(t.Context(), fed))
	if fed.Generation != 2 || fed.Status.DNSOwner != "abc" {
		t.Errorf("generation %d, owner %q after a change of spec", fed.Generation, fed.Status.DNSOwner)
	}
	fed.Spec.Domains = nil
	if err := c.Update(t.Context(), fed); !apierrors.IsInvalid(err) {
		t.Errorf("a spec that the CRD forbids: %v", err)
	}
}

// A watch that begins where a list ended misses nothing, deletions included, and sees only what it selects.
func TestServer_AWatchGoesOnWhereAListEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		must(t, c.Create(t.Context(), named("a")))
		must(t, c.Delete(t.Context(), named("a")))
		var list corev1.ConfigMapList
		must(t, c.List(t.Context(), &list))
		if len(list.Items) > 0 {
			t.Errorf("%d objects after the deletion", len(list.Items))
		}
		labelled := named("b")
		labelled.Labels = map[string]string{"kind": "mine"}
		must(t, c.Create(t.Context(), labelled))
		must(t, c.Create(t.Context(), named("other")))
		from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}}
		watching, err := c.Watch(t.Context(), &list, from, client.MatchingLabels{"kind": "mine"})
		must(t, err)
		labelled.Data = map[string]string{"x": "1"}
		must(t, c.Update(t.Context(), labelled))
		labelled.Labels = nil
		must(t, c.Update(t.Context(), labelled))
		var seen []watch.EventType
		var last string
		for range 3 {
			event := <-watching.ResultChan()
			object := event.Object.(*corev1.ConfigMap)
			if object.Name != "b" || object.ResourceVersion == last {
				t.Errorf("%s of %s at %s", event.Type, object.Name, object.ResourceVersion)
			}
			seen, last = append(seen, event.Type), object.ResourceVersion
		}
		if want := []watch.EventType{watch.Added, watch.Modified, watch.Deleted}; !slices.Equal(seen, want) {
			t.Errorf("saw %v, want %v", seen, want)
		}
		synctest.Wait()
		watching.Stop()
	})
}
