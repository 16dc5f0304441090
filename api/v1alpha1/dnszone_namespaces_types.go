// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AllowedNamespaces selects namespaces.
//
// +kubebuilder:validation:XValidation:rule="self.from == 'Selector' ? has(self.selector) : !has(self.selector)",message="spec.namespaces.selector must be set when spec.namespaces.from is Selector, and only then"
type AllowedNamespaces struct {
	// From is All for every namespace, or Selector for those whose labels match selector.
	//
	// +required
	// +kubebuilder:validation:Enum=All;Selector
	From NamespacesFrom `json:"from"`

	// Selector of namespace labels; an empty selector selects every namespace.
	//
	// +optional
	Selector *NamespaceSelector `json:"selector,omitempty"`
}

// NamespacesFrom tells how namespaces are selected.
type NamespacesFrom string

const (
	// NamespacesAll selects every namespace.
	NamespacesAll NamespacesFrom = "All"
	// NamespacesSelector selects the namespaces whose labels match a selector.
	NamespacesSelector NamespacesFrom = "Selector"
)

// NamespaceSelector is a LabelSelector whose size is bounded, so that admission can tell whether it can be read: one that
// can't would silently select nothing.
type NamespaceSelector struct {
	// MatchLabels are labels that a namespace must have, each with this value.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !format.qualifiedName().validate(k).hasValue())",message="keys must be those of labels: a name of letters, digits, '-', '_' and '.', for example team, or a DNS prefix and a name, for example example.com/team"
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`

	// MatchExpressions are further demands on the labels of a namespace, which must meet them all.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	MatchExpressions []NamespaceRequirement `json:"matchExpressions,omitempty"`
}

// NamespaceRequirement is a demand on one label of a namespace.
//
// +kubebuilder:validation:XValidation:rule="self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values)",fieldPath=".operator",message="must be In or NotIn with values, or Exists or DoesNotExist without; add values, or remove them"
type NamespaceRequirement struct {
	// Key of the label.
	//
	// +required
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="must be the key of a label: a name of letters, digits, '-', '_' and '.', for example team, or a DNS prefix and a name, for example example.com/team"
	Key string `json:"key"`

	// Operator relates the label to values: In or NotIn; or Exists or DoesNotExist, whatever its value.
	//
	// +required
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
	Operator metav1.LabelSelectorOperator `json:"operator"`

	// Values for In and NotIn.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	Values []LabelValue `json:"values,omitempty"`
}

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="!format.labelValue().validate(self).hasValue()",message="must be the value of a label: letters, digits, '-', '_' and '.', with a letter or digit at both ends; write for example chat-ops"
type LabelValue string

// LabelSelector is the selector in Kubernetes' own type, all of it as expressions, so that of several which can't be read it is
// always the same that is told.
func (s *NamespaceSelector) LabelSelector() *metav1.LabelSelector {
	selector := &metav1.LabelSelector{}
	add := func(key string, operator metav1.LabelSelectorOperator, values ...LabelValue) {
		requirement := metav1.LabelSelectorRequirement{Key: key, Operator: operator}
		for _, value := range values {
			requirement.Values = append(requirement.Values, string(value))
		}
		selector.MatchExpressions = append(selector.MatchExpressions, requirement)
	}
	for _, demand := range s.MatchExpressions {
		add(demand.Key, demand.Operator, demand.Values...)
	}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		add(key, metav1.LabelSelectorOpIn, s.MatchLabels[key])
	}
	return selector
}
