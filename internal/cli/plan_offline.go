// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/xmppfed/xmppfed/internal/cli/manifest"
	"github.com/xmppfed/xmppfed/internal/cli/plan"
)

// offlineJudge judges objects of this project's kinds by their schemas, refuses those that are meant for one of them and are none, and
// lets others pass.
type offlineJudge struct {
	schemas   manifest.Schemas
	namespace string
}

func (j offlineJudge) judge(ctx context.Context, object *unstructured.Unstructured) (judgement, error) {
	kind, after := object.GroupVersionKind(), object.DeepCopy()
	var wrong field.ErrorList
	switch mistake := j.schemas.Mistaken(kind); {
	case mistake != nil:
		wrong = field.ErrorList{mistake}
	case !j.schemas.Known(kind):
		return judgement{after: after, note: "not judged offline"}, nil
	default:
		if after.GetNamespace() == "" && j.schemas.Namespaced(kind) {
			after.SetNamespace(j.namespace)
		}
		wrong = j.schemas.Complete(ctx, after)
	}
	judged := judgement{after: after}
	for _, one := range wrong {
		judged.refused = append(judged.refused, plan.Problem{
			Object: plan.Title(kind.Kind, after.GetNamespace(), after.GetName()), Field: one.Field, Message: one.ErrorBody(),
		})
	}
	return judged, nil
}

// estate is not known: what the cluster has decides whose names are.
func (offlineJudge) estate(context.Context) (*plan.Estate, string, error) { return nil, "", nil }
