// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// kubernetesTypes are fields whose members are Kubernetes' own and documented there.
var kubernetesTypes = map[string]string{
	"affinity":         "Affinity",
	"conditions":       "[]Condition",
	"imagePullSecrets": "[]LocalObjectReference",
	"tolerations":      "[]Toleration",
}

// inTable escapes what would end a cell of a table or begin an HTML tag.
var inTable = strings.NewReplacer("|", `\|`, "<", "&lt;")

// apiPage writes the reference of every field, as the CRDs hold it.
func apiPage(root string) (map[string]string, error) {
	crds, err := readCRDs(root)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("<!-- Generated from config/crd/bases by make generate. Do not edit. -->\n\n# API reference\n\n" +
		"Group `xmppfed.io`. What a condition's type and reason mean is in [conditions.md](conditions.md). A type with a\n" +
		"capital letter is Kubernetes' own and documented there.\n")
	for _, crd := range crds {
		for _, version := range crd.Spec.Versions {
			writeKind(&b, crd, version)
		}
	}
	return map[string]string{"docs/reference/api.md": b.String()}, nil
}

func readCRDs(root string) ([]apiextensionsv1.CustomResourceDefinition, error) {
	paths, err := filepath.Glob(filepath.Join(root, crdDir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	crds := make([]apiextensionsv1.CustomResourceDefinition, len(paths))
	for i, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := yaml.Unmarshal(data, &crds[i]); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
	}
	return crds, nil
}

func writeKind(b *strings.Builder, crd apiextensionsv1.CustomResourceDefinition,
	version apiextensionsv1.CustomResourceDefinitionVersion) {
	schema := version.Schema.OpenAPIV3Schema
	fmt.Fprintf(b, "\n## %s\n\n`%s/%s`, ", crd.Spec.Names.Kind, crd.Spec.Group, version.Name)
	if crd.Spec.Scope == apiextensionsv1.ClusterScoped {
		b.WriteString("cluster-scoped")
	} else {
		b.WriteString("namespaced")
	}
	for _, short := range crd.Spec.Names.ShortNames {
		fmt.Fprintf(b, ", short name `%s`", short)
	}
	fmt.Fprintf(b, ".\n\n%s\n", strings.TrimSpace(schema.Description))
	for _, rule := range schema.XValidations {
		fmt.Fprintf(b, "\n- %s\n", rule.Message)
	}
	for _, part := range []string{"spec", "status"} {
		fmt.Fprintf(b, "\n### %s %s\n\n| Field | Type | Default | Meaning |\n| --- | --- | --- | --- |\n",
			crd.Spec.Names.Kind, part)
		writeFields(b, part, schema.Properties[part])
	}
}

// writeFields writes a row for each member of an object, and then for the members' own members.
func writeFields(b *strings.Builder, path string, object apiextensionsv1.JSONSchemaProps) {
	for _, name := range slices.Sorted(maps.Keys(object.Properties)) {
		field := object.Properties[name]
		fieldPath := path + "." + name
		typeName, foreign := kubernetesTypes[name]
		if !foreign {
			typeName = typeOf(field)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", fieldPath, typeName,
			defaultOf(field, slices.Contains(object.Required, name)), meaningOf(field))
		if foreign {
			continue
		}
		if field.Items != nil && field.Items.Schema != nil {
			writeFields(b, fieldPath+"[]", *field.Items.Schema)
		}
		writeFields(b, fieldPath, field)
	}
}

func typeOf(field apiextensionsv1.JSONSchemaProps) string {
	switch {
	case field.XIntOrString:
		return "quantity"
	case field.Type == "array":
		return "[]" + typeOf(*field.Items.Schema)
	case field.AdditionalProperties != nil && field.AdditionalProperties.Schema != nil:
		return "map[string]" + typeOf(*field.AdditionalProperties.Schema)
	case len(field.Enum) > 0:
		values := make([]string, len(field.Enum))
		for i, value := range field.Enum {
			values[i] = "`" + strings.Trim(string(value.Raw), `"`) + "`"
		}
		return strings.Join(values, " or ")
	default:
		return field.Type
	}
}

func defaultOf(field apiextensionsv1.JSONSchemaProps, required bool) string {
	switch {
	case required:
		return "required"
	case field.Default == nil || string(field.Default.Raw) == "{}":
		return ""
	default:
		return "`" + strings.Trim(string(field.Default.Raw), `"`) + "`"
	}
}

// meaningOf is the description and the limits in one line that fits a table.
func meaningOf(field apiextensionsv1.JSONSchemaProps) string {
	sentences := []string{strings.Join(strings.Fields(field.Description), " ")}
	switch {
	case field.Minimum != nil && field.Maximum != nil:
		sentences = append(sentences, fmt.Sprintf("From %g to %g.", *field.Minimum, *field.Maximum))
	case field.MinItems != nil && field.MaxItems != nil:
		sentences = append(sentences, fmt.Sprintf("From %d to %d items.", *field.MinItems, *field.MaxItems))
	case field.MaxItems != nil:
		sentences = append(sentences, fmt.Sprintf("At most %d items.", *field.MaxItems))
	}
	rules := field.XValidations
	if field.Items != nil && field.Items.Schema != nil && len(field.Items.Schema.Properties) == 0 {
		rules = append(slices.Clone(rules), field.Items.Schema.XValidations...)
	}
	for _, rule := range rules {
		sentences = append(sentences, "Rule: "+strings.TrimSuffix(rule.Message, ".")+".")
	}
	return inTable.Replace(strings.Join(sentences, " "))
}
