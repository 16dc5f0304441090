// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

// hostile strings end quotations, comments, lines, documents or memory of one language or another.
var hostile = map[string]string{
	"quotes":            `cup"'` + "`" + `]];os.execute("rm")--`,
	"lines":             "cup\nVirtualHost \"evil.example\"\r\n\t- evil: true",
	"YAML and Go":       `{{ .Evil }}: &evil *evil !!evil ${EVIL} $(evil) %s %n`,
	"a NUL":             "cup\x00evil",
	"a Lua escape":      `cup\"]=1]] --[==[`,
	"XML":               `<stream:stream to='evil'>]]><!--&evil;`,
	"a long string":     strings.Repeat("evil.", 2000),
	"other alphabets":   "еvil\u202egnp.\u200b\ufeff\U0001f4a3",
	"a path":            "../../../../etc/evil",
	"a DNS master file": "evil. 300 IN A 203.0.113.66 ; (",
}

// leaf is a field of the spec that takes any string, as far as its type goes.
type leaf struct {
	path string
	// set returns the spec with the field set to a value, and what the schema requires around it.
	set func(spec map[string]any, value string)
}

// asKey ends the path of a leaf that is the key in a map.
const asKey = " as key"

// leaves walks the schema, so that fields to come are tested as well.
func leaves(path string, schema apiextensionsv1.JSONSchemaProps, at func(map[string]any) setter) []leaf {
	switch {
	case schema.Type == "string" || schema.XIntOrString:
		return []leaf{{path, func(spec map[string]any, value string) { at(spec)(value) }}}
	case schema.Type == "array":
		inList := func(spec map[string]any) setter {
			return func(value any) { at(spec)([]any{value}) }
		}
		return leaves(path+"[0]", *schema.Items.Schema, inList)
	case schema.AdditionalProperties != nil:
		inMap := func(spec map[string]any) setter {
			return func(value any) { at(spec)(map[string]any{"key": value}) }
		}
		asKey := leaf{path + asKey, func(spec map[string]any, value string) {
			at(spec)(map[string]any{value: smallest(*schema.AdditionalProperties.Schema)})
		}}
		return append(leaves(path+".key", *schema.AdditionalProperties.Schema, inMap), asKey)
	}
	var all []leaf
	for name, property := range schema.Properties {
		inObject := func(spec map[string]any) setter {
			return func(value any) {
				object := smallest(schema).(map[string]any)
				object[name] = value
				at(spec)(object)
			}
		}
		all = append(all, leaves(path+"."+name, property, inObject)...)
	}
	slices.SortFunc(all, func(a, b leaf) int { return strings.Compare(a.path, b.path) })
	return all
}

// setter puts a value in its place.
type setter func(value any)

// smallest is the smallest value that a schema allows.
func smallest(schema apiextensionsv1.JSONSchemaProps) any {
	switch {
	case len(schema.Enum) > 0:
		var value any
		_ = yaml.Unmarshal(schema.Enum[len(schema.Enum)-1].Raw, &value)
		return value
	case schema.Type == "string":
		return "cup"
	case schema.XIntOrString, schema.Type == "integer":
		return int64(1)
	case schema.Type == "boolean":
		return true
	case schema.Type == "array":
		return []any{smallest(*schema.Items.Schema)}
	}
	object := map[string]any{}
	for _, name := range schema.Required {
		object[name] = smallest(schema.Properties[name])
	}
	return object
}

// specLeaves are the leaves of a kind's spec. Top-level fields join those of the base spec.
func specLeaves(w *world, plural string) []leaf {
	raw, err := os.ReadFile("../config/crd/bases/xmppfed.io_" + plural + ".yaml")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	var crd apiextensionsv1.CustomResourceDefinition
	w.Expect(yaml.Unmarshal(raw, &crd)).To(gomega.Succeed())
	schema := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	var all []leaf
	for name, property := range schema.Properties {
		all = append(all, leaves("spec."+name, property, func(spec map[string]any) setter {
			return func(value any) { spec[name] = value }
		})...)
	}
	slices.SortFunc(all, func(a, b leaf) int { return strings.Compare(a.path, b.path) })
	return all
}

func baseSpec(w *world, kind string) map[string]any {
	base := map[string]string{
		"Federation": "{domains: [cupdomain.com], dns: {hostname: cup1.cupdomain.com}}",
		"DNSZone": `{zone: cupdomain.com, provider: {rfc2136: {servers: ["203.0.113.53:53"],
		  tsig: {keyName: fed-key, secretRef: {name: fed-tsig, key: secret}}}}}`,
	}
	spec := map[string]any{}
	w.Expect(yaml.Unmarshal([]byte(base[kind]), &spec)).To(gomega.Succeed())
	return spec
}

func TestAHostileStringInAnyFieldOfAFederationIsRefusedOrHarmless(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	all := specLeaves(w, "federations")
	names := slices.Sorted(maps.Keys(hostile))
	everyString := testkit.Campaign(false, true) // in the many fields of a Pod, too
	tried, accepted, reconciled, refusedLater := 0, 0, 0, 0
	for i, leaf := range all {
		for j, name := range names {
			turn := (i+j)%len(names) == 0
			if anyText(leaf.path) && !turn && !everyString {
				continue
			}
			tried++
			what := fmt.Sprintf("%s with %s", leaf.path, name)
			spec := baseSpec(w, "Federation")
			leaf.set(spec, hostile[name])
			if !w.updateSpec(spec) {
				continue
			}
			accepted++
			w.Expect(anyText(leaf.path)).To(gomega.BeTrue(), "only what is handed to Kubernetes may hold any text, unlike %s", leaf.path)
			// A reconcile takes its time; each field gets one of the strings, each string a tenth of the fields.
			if turn {
				reconciled++
				w.expectHarmless(what, hostile[name])
				if readyReason(w.get("cup")) == v1alpha1.ReasonObjectRefused {
					refusedLater++
				}
			}
		}
	}
	w.Expect(len(all)).To(gomega.BeNumerically(">", 100))
	w.Expect(reconciled).To(gomega.BeNumerically(">", 0))
	t.Logf("%d strings in %d fields: admission refused %d; of %d others that were reconciled Kubernetes refused an object of %d",
		tried, len(all), tried-accepted, reconciled, refusedLater)
}

// anyText reports whether a field is handed to Kubernetes as it is.
func anyText(path string) bool {
	return strings.HasPrefix(path, "spec.server.podTemplate.") || strings.HasPrefix(path, "spec.exposure.loadBalancer.annotations")
}

// updateSpec changes Federation cup and tells whether admission accepted that.
func (w *world) updateSpec(spec map[string]any) bool {
	fed := &unstructured.Unstructured{}
	fed.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Federation"))
	w.Expect(w.api.Get(w.t.Context(), w.key("cup"), fed)).To(gomega.Succeed())
	fed.Object["spec"] = spec
	return w.api.Update(w.t.Context(), fed) == nil
}

// expectHarmless reconciles and looks for the string where it could become code, or a record.
func (w *world) expectHarmless(what, value string) {
	w.t.Helper()
	_, err := w.tryReconcile(w.key("cup"))
	for name, text := range read[corev1.ConfigMap](w, "cup-server").Data {
		w.Expect(strings.Contains(text, value)).To(gomega.BeFalse(), "%s gets into %s", what, name)
	}
	for _, record := range w.zone.Dump() {
		w.Expect(record).NotTo(gomega.ContainSubstring("evil"), what)
	}
	w.Expect(err).NotTo(gomega.HaveOccurred(), what)
}

func TestAHostileStringInAnyFieldOfADNSZoneIsRefused(t *testing.T) {
	w := newWorld(t)
	tried := 0
	for _, leaf := range specLeaves(w, "dnszones") {
		for _, value := range hostile {
			tried++
			zone := &unstructured.Unstructured{Object: map[string]any{"spec": baseSpec(w, "DNSZone")}}
			zone.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("DNSZone"))
			zone.SetName("hostile")
			leaf.set(zone.Object["spec"].(map[string]any), value)
			w.Expect(w.api.Create(t.Context(), zone)).To(gomega.MatchError(apierrors.IsInvalid, "a refusal"), "%s with %q", leaf.path, value)
		}
	}
	w.Expect(tried).To(gomega.BeNumerically(">", 100))
}
