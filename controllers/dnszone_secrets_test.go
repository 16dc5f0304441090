// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// countingGets counts reads past the cache.
type countingGets struct {
	client.Reader
	n int
}

func (c *countingGets) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	c.n++
	return c.Reader.Get(ctx, key, obj, opts...)
}

func TestDNSZone_ReadsASecretOnlyWhenItsMetadataChanged(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	cluster := fake.NewClientBuilder().WithScheme(scheme).Build()
	reader := &countingGets{Reader: cluster}
	r, known := &DNSZoneReconciler{Client: cluster, Reader: reader, Namespace: "xmppfed-system"}, &knownZone{}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "xmppfed-system", Name: "keys"},
		Data:       map[string][]byte{"secret": []byte("one"), "other": []byte("two")},
	}
	ref := func(key string) v1alpha1.SecretKey {
		return v1alpha1.SecretKey{SecretName: v1alpha1.SecretName{Name: "keys"}, Key: key}
	}
	expect := func(about, key, want string, reads int) {
		t.Helper()
		reader.n = 0
		for range 3 {
			got, err := r.secretValue(t.Context(), ref(key), known)
			if err != nil || string(got) != want {
				t.Fatalf("%s: got %q, %v, want %q", about, got, err, want)
			}
		}
		if reader.n != reads {
			t.Errorf("%s: %d reads, want %d", about, reader.n, reads)
		}
	}
	expect("it does not exist", "secret", "", 0)
	if err := cluster.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	expect("it was created", "secret", "one", 1)
	expect("another key", "other", "two", 1)
	expect("a key that it does not have", "none", "", 1)
	secret.Data["secret"] = []byte("three")
	if err := cluster.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	expect("it was changed", "secret", "three", 1)
	if err := cluster.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	expect("it was deleted", "secret", "", 0)
	secret.ResourceVersion = ""
	secret.Data["secret"] = []byte("four")
	if err := cluster.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	expect("it was created again", "secret", "four", 1)
}
