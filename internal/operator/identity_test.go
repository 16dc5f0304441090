// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

const operatorNamespace = "xmppfed-system"

func kubeSystem() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem, UID: "cluster-uid"}}
}

func ownership(key string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: ownershipSecret},
		Data:       map[string][]byte{ownershipKey: []byte(key)},
	}
}

func readOwnership(t *testing.T, c client.Client) string {
	t.Helper()
	var secret corev1.Secret
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(ownership("")), &secret); err != nil {
		t.Fatal(err)
	}
	return string(secret.Data[ownershipKey])
}

func TestTheFirstOperatorMakesTheSigningKeyAndLaterOnesKeepIt(t *testing.T) {
	c := fake.NewClientBuilder().WithObjects(kubeSystem()).Build()
	found, err := findIdentity(t.Context(), c, operatorNamespace)
	if err != nil {
		t.Fatal(err)
	}
	if found.cluster != "cluster-uid" {
		t.Errorf("cluster %q", found.cluster)
	}
	first := readOwnership(t, c)
	if len(first) != 32 {
		t.Errorf("a key of %d bytes", len(first))
	}
	if _, err := findIdentity(t.Context(), c, operatorNamespace); err != nil {
		t.Fatal(err)
	}
	if readOwnership(t, c) != first {
		t.Error("the key changed, so the operator would not recognise its own records")
	}
}

func TestOfTwoOperatorsThatStartTogetherTheQuickersKeyCounts(t *testing.T) {
	const quicker = "the key of the quicker operator."
	c := interceptor.NewClient(fake.NewClientBuilder().WithObjects(kubeSystem()).Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if err := c.Create(ctx, ownership(quicker)); err != nil {
				return err
			}
			return c.Create(ctx, obj, opts...)
		},
	})
	if _, err := findIdentity(t.Context(), c, operatorNamespace); err != nil {
		t.Fatal(err)
	}
	if readOwnership(t, c) != quicker {
		t.Error("the key of the quicker operator was replaced")
	}
}

func TestAnIdentityThatCannotBeHadIsAnError(t *testing.T) {
	for name, test := range map[string]struct {
		objects []client.Object
		want    string
	}{
		"the cluster has no name": {nil, "reading namespace kube-system, whose UID names the cluster"},
		"the key is too short":    {[]client.Object{kubeSystem(), ownership("short")}, "using key key of Secret xmppfed-system/xmppfed-ownership"},
		"the key is missing":      {[]client.Object{kubeSystem(), ownership("")}, "using key key of Secret xmppfed-system/xmppfed-ownership"},
	} {
		t.Run(name, func(t *testing.T) {
			c := fake.NewClientBuilder().WithObjects(test.objects...).Build()
			_, err := findIdentity(t.Context(), c, operatorNamespace)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestLeaderElectionNeedsAName(t *testing.T) {
	if _, err := newLock(nil, Options{}); err == nil || !strings.Contains(err.Error(), "--identity or POD_NAME") {
		t.Errorf("got %v", err)
	}
}

func TestTheOperatorNeedsANamespace(t *testing.T) {
	if err := Run(t.Context(), nil, Options{}); err == nil || !strings.Contains(err.Error(), "--namespace or POD_NAMESPACE") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownLogLevelsAreRefused(t *testing.T) {
	cmd := Command()
	cmd.SetArgs([]string{"--log-level=loud"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "loud") {
		t.Errorf("got %v", err)
	}
}

func TestAKeyFromBeforeIsReadBesideTheOneThatSigns(t *testing.T) {
	secret := ownership("the new signing key of the cluster")
	secret.Data[previousOwnershipKey] = []byte("short")
	c := fake.NewClientBuilder().WithObjects(kubeSystem(), secret).Build()
	if _, err := findIdentity(t.Context(), c, operatorNamespace); err == nil {
		t.Error("got an identity with a key that is too short")
	}
	secret = ownership("the new signing key of the cluster")
	secret.Data[previousOwnershipKey] = []byte("the old signing key of the cluster")
	c = fake.NewClientBuilder().WithObjects(kubeSystem(), secret).Build()
	if _, err := findIdentity(t.Context(), c, operatorNamespace); err != nil {
		t.Error(err)
	}
}
