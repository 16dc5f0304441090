// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package v1alpha1_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/xmppfed/xmppfed/config/crd"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// A rule that a new version brings must not keep the operator from what it writes to objects of before: their finalizer, their
// annotations and their status. The kinds get another group here, in which they can be without rules for a while.
func TestAdmissionOfWhatWasThereBeforeTheRules(t *testing.T) {
	const group = "before.xmppfed.io"
	c := newDefinitionClient(t)
	for kind, all := range map[string][]badManifest{"Federation": badFederations(), "DNSZone": badZones()} {
		t.Run(kind, func(t *testing.T) {
			g := gomega.NewWithT(t)
			definition := definitionOf(t, kind, group)
			withRules := definition.DeepCopy()
			for i := range definition.Spec.Versions {
				dropRules(definition.Spec.Versions[i].Schema.OpenAPIV3Schema)
			}
			g.Expect(c.Create(t.Context(), definition)).To(gomega.Succeed())
			defer func() { g.Expect(c.Delete(t.Context(), definition)).To(gomega.Succeed()) }()

			stored := storeAll(t, c, group, all)
			g.Expect(len(stored)).To(gomega.BeNumerically(">", 10), "what only rules refuse")
			g.Expect(c.Get(t.Context(), client.ObjectKeyFromObject(definition), definition)).To(gomega.Succeed())
			definition.Spec = withRules.Spec
			g.Expect(c.Update(t.Context(), definition)).To(gomega.Succeed())
			first := stored[0].DeepCopy()
			first.SetResourceVersion("")
			first.SetName("cup")
			g.Eventually(func() bool { return apierrors.IsInvalid(c.Create(t.Context(), first, client.DryRunAll)) }).
				WithTimeout(time.Minute).WithPolling(10*time.Millisecond).Should(gomega.BeTrue(), "the rules hold for what is new")

			for _, u := range stored {
				name := u.GetAnnotations()["case"]
				before := u.DeepCopy()
				u.SetFinalizers([]string{"xmppfed.io/federation"})
				u.SetAnnotations(map[string]string{"case": name, "xmppfed.io/note": "ours"})
				g.Expect(c.Patch(t.Context(), u, client.MergeFrom(before))).To(gomega.Succeed(), "%s: finalizer and annotation", name)
				before = u.DeepCopy()
				g.Expect(unstructured.SetNestedField(u.Object, int64(1), "status", "observedGeneration")).To(gomega.Succeed())
				g.Expect(c.Status().Patch(t.Context(), u, client.MergeFrom(before))).To(gomega.Succeed(), "%s: status", name)
				before = u.DeepCopy()
				u.SetFinalizers(nil)
				g.Expect(c.Patch(t.Context(), u, client.MergeFrom(before))).To(gomega.Succeed(), "%s: no finalizer", name)
			}
		})
	}
}

// newDefinitionClient returns a client that can write CRDs.
func newDefinitionClient(t *testing.T) client.Client {
	t.Helper()
	g := gomega.NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(apiextensionsv1.AddToScheme(scheme)).To(gomega.Succeed())
	c, err := client.New(kubetest.Config(t), client.Options{Scheme: scheme})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	return c
}

// definitionOf returns the CRD of a kind, moved to another group.
func definitionOf(t *testing.T, kind, group string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	g := gomega.NewWithT(t)
	plural := map[string]string{"Federation": "federations", "DNSZone": "dnszones"}[kind]
	raw, err := crd.Files.ReadFile("bases/xmppfed.io_" + plural + ".yaml")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	definition := &apiextensionsv1.CustomResourceDefinition{}
	g.Expect(yaml.UnmarshalStrict(raw, definition)).To(gomega.Succeed())
	definition.Spec.Group, definition.Name = group, plural+"."+group
	definition.Spec.Names.ShortNames, definition.Spec.Names.Categories = nil, nil
	return definition
}

// dropRules takes the rules out of a schema, and leaves types and bounds.
func dropRules(schema *apiextensionsv1.JSONSchemaProps) {
	schema.XValidations = nil
	for name, property := range schema.Properties {
		dropRules(&property)
		schema.Properties[name] = property
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		dropRules(schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		dropRules(schema.AdditionalProperties.Schema)
	}
}

// storeAll creates the objects in a group whose CRD has no rules yet. Objects that the API server refuses even so are left out.
func storeAll(t *testing.T, c client.Client, group string, all []badManifest) []*unstructured.Unstructured {
	t.Helper()
	g := gomega.NewWithT(t)
	var stored []*unstructured.Unstructured
	for i, bad := range all {
		u := object(t, bad.kind, bad.spec)
		u.SetAPIVersion(group + "/v1alpha1")
		u.SetName(fmt.Sprintf("cup-%d", i))
		u.SetAnnotations(map[string]string{"case": bad.name})
		var err error
		g.Eventually(func() bool {
			err = c.Create(t.Context(), u, client.FieldValidation(metav1.FieldValidationStrict))
			return err == nil || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
		}).WithTimeout(time.Minute).WithPolling(10*time.Millisecond).Should(gomega.BeTrue(), "the new kind is served")
		if err == nil {
			stored = append(stored, u)
		}
	}
	return stored
}
