// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

func federationsCRD() *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: crdName}}
}

// install returns an installation of the operator in a namespace of the cluster.
func install(c client.Client, namespace string, watches ...string) *installation {
	return newInstallation(c, Options{Namespace: namespace, Identity: namespace + "-pod", WatchNamespaces: watches}, &probes{}, time.Now)
}

// reasons of the events in a namespace.
func reasons(t *testing.T, c client.Client, namespace string) []string {
	t.Helper()
	var list eventsv1.EventList
	if err := c.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	var found []string
	for i := range list.Items {
		found = append(found, list.Items[i].Reason)
	}
	return found
}

func (p *probes) answer() (int, string) {
	recorder := httptest.NewRecorder()
	p.ready(recorder, nil)
	return recorder.Code, recorder.Body.String()
}

func TestInstallation_TheSecondStandsBySaysWhyAndFollowsWhenTheFirstIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFake(t).WithObjects(kubeSystem(), federationsCRD()).Build()
		first, second := install(c, "one"), install(c, "two")
		if !first.await(t.Context()) {
			t.Fatal("the first does not work")
		}
		works, stop := context.WithCancel(t.Context())
		go func() { // what leader election does
			for works.Err() == nil {
				touchLease(t, c, "one")
				time.Sleep(2 * time.Second) // of the clock of this test
			}
		}()
		followed := make(chan bool, 1)
		go func() { followed <- second.await(t.Context()) }()
		time.Sleep(10 * time.Minute)
		select {
		case <-followed:
			t.Fatal("the second works beside the first")
		default:
		}
		code, text := second.probes.answer()
		if code != http.StatusServiceUnavailable || !strings.Contains(text, "in namespace one, works on all") {
			t.Errorf("it is ready: %d %s", code, text)
		}
		if got := reasons(t, c, "two"); !reflect.DeepEqual(got, []string{"InstallationStandsBy"}) {
			t.Errorf("got events %v while it stood by", got)
		}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "two", Name: ownershipSecret}, &corev1.Secret{}); err == nil {
			t.Error("who stands by has made a key")
		}

		t.Log("the first is uninstalled, and its key is in the other namespace then")
		stop()
		copied := ownership("")
		copied.Namespace, copied.Data = "two", first.known.data
		if err := c.Create(t.Context(), copied); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if !<-followed {
			t.Fatal("the second does not work")
		}
		if took := time.Since(began); took < goneAfter/2 || took > 2*goneAfter {
			t.Errorf("it follows after %s, want about %s", took, goneAfter)
		}
		if code, _ := second.probes.answer(); code != http.StatusOK {
			t.Errorf("it is not ready: %d", code)
		}
		if err := first.try(t.Context()); reasonOf(err) != "InstallationStandsBy" {
			t.Errorf("the first, installed again, got %v", err)
		}
	})
}

func touchLease(t *testing.T, c client.Client, namespace string) {
	lease := &coordinationv1.Lease{}
	if err := c.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: leaseName}, lease); err != nil {
		t.Errorf("reading the lease of namespace %s: %v", namespace, err)
		return
	}
	now := metav1.NowMicro()
	lease.Spec.RenewTime = &now
	if err := c.Update(context.Background(), lease); err != nil {
		t.Errorf("renewing the lease of namespace %s: %v", namespace, err)
	}
}

func TestInstallation_WhoHasAnotherKeyDoesNotFollow(t *testing.T) {
	c := newFake(t).WithObjects(kubeSystem(), federationsCRD()).Build()
	first, second := install(c, "one"), install(c, "two")
	if err := first.try(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "one", Name: leaseName}}); err != nil {
		t.Fatal(err)
	}
	if err := second.try(t.Context()); reasonOf(err) != "OwnershipKeyDiffers" || !strings.Contains(err.Error(), "namespace one is gone") {
		t.Errorf("got %v", err)
	}
	crd := federationsCRD()
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(crd), crd); err != nil {
		t.Fatal(err)
	}
	delete(crd.Annotations, v1alpha1.AnnotationInstallations) // as the message says
	if err := c.Update(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	if err := second.try(t.Context()); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestInstallation_EachWithNamespacesOfItsOwnWorksAndOneWritesTheStatusOfZones(t *testing.T) {
	c := newFake(t).WithObjects(kubeSystem(), federationsCRD()).Build()
	first, second := install(c, "one", "chat"), install(c, "two", "talk")
	for _, this := range []*installation{first, second, first, second} {
		if err := this.try(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if first.silent.Load() || !second.silent.Load() {
		t.Errorf("silent are the first: %v, the second: %v", first.silent.Load(), second.silent.Load())
	}
	if err := c.Delete(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "one", Name: leaseName}}); err != nil {
		t.Fatal(err)
	}
	if err := second.try(t.Context()); err != nil || second.silent.Load() {
		t.Errorf("got %v, silent %v after the first is gone", err, second.silent.Load())
	}
}

func TestInstallation_TheSecretIsPutBackWhileTheKeyIsKnown(t *testing.T) {
	const another = "another key of at least thirty-two bytes"
	for name, test := range map[string]struct {
		// found is the content that somebody gave the Secret; nil when it was deleted.
		found map[string][]byte
		// kept is set when that content stays.
		kept   bool
		reason []string
	}{
		"deleted":                      {nil, false, []string{"OwnershipKeyRestored"}},
		"no key":                       {map[string][]byte{}, false, []string{"OwnershipKeyRestored"}},
		"an empty key":                 {map[string][]byte{ownershipKey: {}}, false, []string{"OwnershipKeyRestored"}},
		"a key that is too short":      {map[string][]byte{ownershipKey: []byte("short")}, false, []string{"OwnershipKeyRestored"}},
		"only a key from before":       {map[string][]byte{previousOwnershipKey: []byte(another)}, false, []string{"OwnershipKeyRestored"}},
		"another key":                  {map[string][]byte{ownershipKey: []byte(another)}, true, []string{"OwnershipKeyChanged"}},
		"another key, and this before": {map[string][]byte{ownershipKey: []byte(another), previousOwnershipKey: nil}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newFake(t).WithObjects(kubeSystem(), federationsCRD()).Build()
			this := install(c, operatorNamespace)
			if err := this.try(t.Context()); err != nil {
				t.Fatal(err)
			}
			known := maps.Clone(this.known.data)
			if _, found := test.found[previousOwnershipKey]; found && test.kept {
				test.found[previousOwnershipKey] = known[ownershipKey]
			}
			damage(t, c, test.found)
			for range 2 { // the second time there is nothing more to mend or to tell
				if err := this.keepKey(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			want := known
			if test.kept {
				want = test.found
			}
			if got := readSecret(t, c).Data; !reflect.DeepEqual(got, want) {
				t.Errorf("the Secret has %v, want %v", got, want)
			}
			if got := reasons(t, c, operatorNamespace); !reflect.DeepEqual(got, test.reason) {
				t.Errorf("got events %v, want %v", got, test.reason)
			}
		})
	}
}

// damage gives the Secret another content, or deletes it.
func damage(t *testing.T, c client.Client, content map[string][]byte) {
	t.Helper()
	secret := readSecret(t, c)
	var err error
	if content == nil {
		err = c.Delete(t.Context(), secret)
	} else {
		secret.Data = content
		err = c.Update(t.Context(), secret)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func readSecret(t *testing.T, c client.Client) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(ownership("")), secret); err != nil {
		t.Fatal(err)
	}
	return secret
}
