// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/xmppfed/xmppfed/config/crd"
)

// Schemas judge objects of this project's kinds.
type Schemas map[schema.GroupVersionKind]*kindSchema

type kindSchema struct {
	namespaced bool
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

// NewSchemas are those of the CRDs that this program was built with.
func NewSchemas() (Schemas, error) {
	names, err := fs.Glob(crd.Files, "bases/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing CRDs: %w", err)
	}
	schemas := Schemas{}
	for _, name := range names {
		data, err := crd.Files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading CRD: %w", err)
		}
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(data, &definition); err != nil {
			return nil, fmt.Errorf("reading CRD %s: %w", name, err)
		}
		for _, version := range definition.Spec.Versions {
			kind := schema.GroupVersionKind{Group: definition.Spec.Group, Version: version.Name, Kind: definition.Spec.Names.Kind}
			if schemas[kind], err = newKindSchema(version); err != nil {
				return nil, fmt.Errorf("reading the schema of %s: %w", kind.Kind, err)
			}
			schemas[kind].namespaced = definition.Spec.Scope == apiextensionsv1.NamespaceScoped
		}
	}
	return schemas, nil
}

func newKindSchema(version apiextensionsv1.CustomResourceDefinitionVersion) (*kindSchema, error) {
	var internal apiextensions.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(
		version.Schema, &internal, nil); err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(internal.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	validator, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	return &kindSchema{
		structural: structural, validator: validator, rules: cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// Known tells whether objects of a kind can be judged.
func (s Schemas) Known(kind schema.GroupVersionKind) bool { return s[kind] != nil }

// Mistaken says what is wrong with a kind that is not known and yet seems to be meant for one of these, because its group is theirs or
// speaks of XMPP, or because it is called like one of them; nil for the kinds of others.
func (s Schemas) Mistaken(kind schema.GroupVersionKind) *field.Error {
	var kinds []string
	path, meant := "apiVersion", strings.Contains(strings.ToLower(kind.Group), "xmpp")
	for own := range s {
		kinds = append(kinds, own.Kind+" of "+own.GroupVersion().String())
		meant = meant || strings.EqualFold(own.Kind, kind.Kind) || kind.Group == own.Group
		if own.GroupVersion() == kind.GroupVersion() {
			path = "kind"
		}
	}
	if s.Known(kind) || !meant {
		return nil
	}
	slices.Sort(kinds)
	return field.NotSupported(field.NewPath(path), kind.Kind+" of "+kind.GroupVersion().String(), kinds)
}

// Namespaced tells whether objects of a known kind lie in namespaces.
func (s Schemas) Namespaced(kind schema.GroupVersionKind) bool { return s[kind].namespaced }

// Complete fills in the defaults of an object of a known kind and returns what an API server would refuse.
func (s Schemas) Complete(ctx context.Context, object *unstructured.Unstructured) field.ErrorList {
	kind := s[object.GroupVersionKind()]
	content := object.UnstructuredContent()
	delete(content, "status")
	var errs field.ErrorList
	options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	for _, path := range pruning.PruneWithOptions(content, kind.structural, true, options) {
		errs = append(errs, field.Invalid(field.NewPath(path), "", "there is no such field"))
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(content, kind.structural)
	defaulting.Default(content, kind.structural)
	wrong := validation.ValidateCustomResource(nil, content, kind.validator)
	errs = append(errs, wrong...)
	if len(wrong) > 0 || kind.rules == nil {
		return errs // rules may count on values of the right type
	}
	broken, _ := kind.rules.Validate(ctx, nil, kind.structural, content, nil, celconfig.RuntimeCELCostBudget)
	return append(errs, broken...)
}
