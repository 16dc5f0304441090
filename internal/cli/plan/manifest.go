// SPDX-License-Identifier: Apache-2.0

package plan

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// Manifest tells what becomes of the object of a manifest. Before is nil when there is none yet. Values of Secrets are not
// shown.
func Manifest(before, after *unstructured.Unstructured, note string) Plan {
	object := Object{
		Action: Create, Kind: after.GetKind(), Namespace: after.GetNamespace(), Name: after.GetName(), Note: note,
	}
	if before != nil {
		object.Action, object.Fields = Unchanged, Diff(before.Object, after.Object)
		if len(object.Fields) > 0 {
			object.Action = Change
		}
	}
	if object.Kind == "Secret" {
		for i := range object.Fields {
			object.Fields[i].Before, object.Fields[i].After = hide(object.Fields[i].Before), hide(object.Fields[i].After)
		}
	}
	return Plan{Objects: []Object{object}}
}

func hide(value string) string {
	if value == "" {
		return ""
	}
	return "(hidden)"
}
