// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
)

const operatorNamespace = "xmppfed-system"

func newFake(t *testing.T) *fake.ClientBuilder {
	t.Helper()
	scheme, err := Scheme()
	if err == nil {
		err = apiextensionsv1.AddToScheme(scheme)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme)
}

// withoutKey is the Secret from which somebody removed the key that signs.
func withoutKey() *corev1.Secret {
	secret := ownership("")
	secret.Data = map[string][]byte{previousOwnershipKey: []byte("the old signing key of the cluster")}
	return secret
}

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
	c := newFake(t).WithObjects(kubeSystem()).Build()
	found, err := findIdentity(t.Context(), c, operatorNamespace, nil)
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
	if _, err := findIdentity(t.Context(), c, operatorNamespace, nil); err != nil {
		t.Fatal(err)
	}
	if readOwnership(t, c) != first {
		t.Error("the key changed, so the operator would not recognise its own records")
	}
}

func TestOfTwoOperatorsThatStartTogetherTheQuickersKeyCounts(t *testing.T) {
	const quicker = "the key of the quicker operator."
	c := interceptor.NewClient(newFake(t).WithObjects(kubeSystem()).Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if err := c.Create(ctx, ownership(quicker)); err != nil {
				return err
			}
			return c.Create(ctx, obj, opts...)
		},
	})
	if _, err := findIdentity(t.Context(), c, operatorNamespace, nil); err != nil {
		t.Fatal(err)
	}
	if readOwnership(t, c) != quicker {
		t.Error("the key of the quicker operator was replaced")
	}
}

func TestAnIdentityThatCannotBeHadIsAnError(t *testing.T) {
	const unusable = "Secret xmppfed-system/xmppfed-ownership can't be used: using its key key:"
	for name, test := range map[string]struct {
		objects []client.Object
		want    string
	}{
		"the cluster has no name":          {nil, "reading namespace kube-system, whose UID names the cluster"},
		"the key is too short":             {[]client.Object{kubeSystem(), ownership("short")}, unusable},
		"the key is missing":               {[]client.Object{kubeSystem(), ownership("")}, unusable},
		"only the key from before is left": {[]client.Object{kubeSystem(), withoutKey()}, unusable},
	} {
		t.Run(name, func(t *testing.T) {
			c := newFake(t).WithObjects(test.objects...).Build()
			_, err := findIdentity(t.Context(), c, operatorNamespace, nil)
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
	c := newFake(t).WithObjects(kubeSystem(), secret).Build()
	if _, err := findIdentity(t.Context(), c, operatorNamespace, nil); err == nil {
		t.Error("got an identity with a key that is too short")
	}
	secret = ownership("the new signing key of the cluster")
	secret.Data[previousOwnershipKey] = []byte("the old signing key of the cluster")
	c = newFake(t).WithObjects(kubeSystem(), secret).Build()
	if _, err := findIdentity(t.Context(), c, operatorNamespace, nil); err != nil {
		t.Error(err)
	}
}

// Whoever signs with a new key does not recognise what the former one signed.
func TestNoNewKeyIsMadeWhereFederationsMayHaveRecords(t *testing.T) {
	for name, edit := range map[string]func(*v1alpha1.Federation){
		"zones in status":   func(fed *v1alpha1.Federation) { fed.Status.Zones = []string{"cupdomain.com"} },
		"records in status": func(fed *v1alpha1.Federation) { fed.Status.Records = []v1alpha1.RecordStatus{{Name: "cupdomain.com"}} },
		"a finalizer":       func(fed *v1alpha1.Federation) { fed.Finalizers = []string{controllers.Finalizer} },
	} {
		t.Run(name, func(t *testing.T) {
			fed := &v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "cup"}}
			edit(fed)
			fresh := &v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "fresh"}}
			c := newFake(t).WithObjects(kubeSystem(), fed, fresh).Build()
			_, err := findIdentity(t.Context(), c, operatorNamespace, nil)
			if reasonOf(err) != "OwnershipKeyMissing" || !strings.Contains(err.Error(), "Federations such as chat/cup have records") {
				t.Errorf("got %v", err)
			}
			var secret corev1.Secret
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(ownership("")), &secret); !apierrors.IsNotFound(err) {
				t.Errorf("a key was made: %v", err)
			}
			if _, err := findIdentity(t.Context(), c, operatorNamespace, []string{"talk"}); err != nil {
				t.Errorf("an operator of other namespaces: %v", err)
			}
		})
	}
	fresh := &v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "fresh"}}
	c := newFake(t).WithObjects(kubeSystem(), fresh).Build()
	if _, err := findIdentity(t.Context(), c, operatorNamespace, nil); err != nil {
		t.Errorf("with a Federation that no operator has seen: %v", err)
	}
}
