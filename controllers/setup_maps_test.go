// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// indexed builds fake clients with the indexes of a real cache.
type indexed struct{ *fake.ClientBuilder }

func (i indexed) IndexField(_ context.Context, obj client.Object, field string, extract client.IndexerFunc) error {
	i.WithIndex(obj, field, extract)
	return nil
}

func newCluster(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...)
	if err := IndexFederations(t.Context(), indexed{builder}); err != nil {
		t.Fatal(err)
	}
	return builder.Build()
}

func requested(requests []reconcile.Request) []string {
	var names []string
	for _, request := range requests {
		names = append(names, request.String())
	}
	slices.Sort(names)
	return names
}

func TestWarned_FindsTheFederationOfWhatAWarningIsAbout(t *testing.T) {
	meta := func(name string, uid types.UID, fed string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "chat", Name: name, UID: uid, Labels: map[string]string{desired.LabelFederation: fed}}
	}
	r := &FederationReconciler{Client: newCluster(t,
		&corev1.Pod{ObjectMeta: meta("cup-0", "1", "cup")}, &corev1.Service{ObjectMeta: meta("cup-s2s", "2", "cup")},
		&corev1.Pod{ObjectMeta: meta("alone", "3", "")},
	)}
	for name, test := range map[string]struct {
		about corev1.ObjectReference
		want  []string
	}{
		"a pod":                  {corev1.ObjectReference{Kind: "Pod", Name: "cup-0", UID: "1"}, []string{"chat/cup"}},
		"a Service":              {corev1.ObjectReference{Kind: "Service", Name: "cup-s2s", UID: "2"}, []string{"chat/cup"}},
		"a pod of the same name": {corev1.ObjectReference{Kind: "Pod", Name: "cup-0", UID: "9"}, nil},
		"a pod of nobody's":      {corev1.ObjectReference{Kind: "Pod", Name: "alone", UID: "3"}, nil},
		"a pod that is gone":     {corev1.ObjectReference{Kind: "Pod", Name: "cup-1", UID: "4"}, nil},
		"another kind":           {corev1.ObjectReference{Kind: "Node", Name: "cup-0", UID: "1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			test.about.Namespace = "chat"
			if got := requested(r.warned(t.Context(), &corev1.Event{InvolvedObject: test.about})); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestDNSZone_HearsOfItsSecretsAndRivals(t *testing.T) {
	zone := func(name string, apex v1alpha1.DomainName, secret string) *v1alpha1.DNSZone {
		return &v1alpha1.DNSZone{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)},
			Spec: v1alpha1.DNSZoneSpec{Zone: apex, Provider: v1alpha1.DNSProvider{RFC2136: &v1alpha1.RFC2136Provider{
				TSIG: v1alpha1.TSIGKey{SecretRef: v1alpha1.SecretKey{SecretName: v1alpha1.SecretName{Name: secret}, Key: "secret"}},
			}}},
		}
	}
	first := zone("first", "cupdomain.com", "one")
	r := &DNSZoneReconciler{
		Namespace: "xmppfed-system", Client: newCluster(t, first, zone("second", "cupdomain.com", "two"), zone("third", "example.com", "one")),
	}
	if got := requested(r.sameApex(t.Context(), first)); !slices.Equal(got, []string{"/second"}) {
		t.Errorf("of a DNSZone that changed heard %v", got)
	}
	for key, want := range map[client.ObjectKey][]string{
		{Namespace: "xmppfed-system", Name: "one"}:   {"/first", "/third"},
		{Namespace: "xmppfed-system", Name: "two"}:   {"/second"},
		{Namespace: "xmppfed-system", Name: "three"}: nil,
		{Namespace: "chat", Name: "one"}:             nil,
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, UID: "secret"}}
		if got := requested(r.naming(t.Context(), secret)); !slices.Equal(got, want) {
			t.Errorf("of Secret %s heard %v, want %v", key, got, want)
		}
	}
}
