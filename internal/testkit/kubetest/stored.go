// SPDX-License-Identifier: Apache-2.0

package kubetest

import (
	"testing"

	"github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// patience is how long an API server may take until it acts on a changed CustomResourceDefinition.
const patience = "30s"

// crds are the names of the CustomResourceDefinitions by kind.
var crds = map[string]string{"Federation": "federations.xmppfed.io", "DNSZone": "dnszones.xmppfed.io"}

// WithoutRules writes objects of a kind while its CustomResourceDefinition has no rules, as in a cluster where they are older than these.
func WithoutRules(t testing.TB, kind string, write func(api client.Client) error) {
	t.Helper()
	g := gomega.NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(apiextensionsv1.AddToScheme(scheme)).To(gomega.Succeed())
	api, err := client.New(Config(t), client.Options{Scheme: scheme})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	crd := &apiextensionsv1.CustomResourceDefinition{}
	g.Expect(api.Get(t.Context(), client.ObjectKey{Name: crds[kind]}, crd)).To(gomega.Succeed())
	strict := crd.DeepCopy()
	replace := func(versions []apiextensionsv1.CustomResourceDefinitionVersion) {
		before := crd.DeepCopy()
		crd.Spec.Versions = versions
		g.Expect(api.Patch(t.Context(), crd, client.MergeFrom(before))).To(gomega.Succeed())
	}
	lax := crd.DeepCopy().Spec.Versions
	for i := range lax {
		anything := apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: ptr.To(true)}
		lax[i].Schema.OpenAPIV3Schema = &apiextensionsv1.JSONSchemaProps{
			Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": anything, "status": anything},
		}
	}
	replace(lax)
	g.Eventually(func() error { return write(api) }, patience, "20ms").Should(gomega.Succeed())
	replace(strict.Spec.Versions)
	refused := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
	refused.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	refused.SetName("refused")
	if strict.Spec.Scope == apiextensionsv1.NamespaceScoped {
		refused.SetNamespace("default")
	}
	g.Eventually(func() bool {
		return apierrors.IsInvalid(api.Create(t.Context(), refused.DeepCopy(), client.DryRunAll))
	}, patience, "20ms").Should(gomega.BeTrue(), "the rules are back")
}

// Store puts an object, with its status, into the API server although the rules of its kind refuse it.
func Store(t testing.TB, manifest string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
		t.Fatal(err)
	}
	status, hasStatus := object.Object["status"]
	WithoutRules(t, object.GetKind(), func(api client.Client) error {
		if object.GetUID() == "" {
			if err := api.Create(t.Context(), object); err != nil || !hasStatus {
				return err
			}
		}
		object.Object["status"] = status
		return api.Status().Update(t.Context(), object)
	})
	return object
}
