// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/cli/manifest"
	"github.com/xmppfed/xmppfed/internal/cli/plan"
)

// kubectl is the name under which kubectl apply --server-side owns fields.
const kubectl = "kubectl"

// dryRun has the API server judge objects.
type dryRun struct {
	*cluster
	// schemas stand in for what the API server can't judge: objects in a namespace that is yet to come.
	schemas manifest.Schemas
	// coming are the namespaces that manifests create before what is judged next.
	coming map[string]bool
}

func (e *environment) dryRun() (judge, error) {
	cluster, err := e.cluster()
	if err != nil {
		return nil, fmt.Errorf("%w; --offline plans without a cluster", err)
	}
	schemas, err := manifest.NewSchemas()
	if err != nil {
		return nil, err
	}
	return dryRun{cluster: cluster, schemas: schemas, coming: map[string]bool{}}, nil
}

func (d dryRun) judge(ctx context.Context, object *unstructured.Unstructured) (judgement, error) {
	kind, after := object.GroupVersionKind(), object.DeepCopy()
	namespaced, err := d.IsObjectNamespaced(object)
	if err != nil {
		if meta.IsNoMatchError(err) && d.schemas.Known(kind) {
			return judgement{}, errNotInstalled
		}
		return judgement{}, fmt.Errorf("looking for kind %s: %w", kind.Kind, err)
	}
	if namespaced && after.GetNamespace() == "" {
		after.SetNamespace(d.namespace)
	}
	title := plan.Title(kind.Kind, after.GetNamespace(), after.GetName())
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(kind)
	switch err := d.Get(ctx, client.ObjectKeyFromObject(after), live); {
	case apierrors.IsNotFound(err):
		live = nil
		err = d.Create(ctx, after, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
		if missingNamespace(err, after) {
			return d.within(ctx, title, after)
		}
		if kind == corev1.SchemeGroupVersion.WithKind("Namespace") {
			d.coming[after.GetName()] = true
		}
		return d.judged(title, live, after, err)
	case err != nil:
		return judgement{}, fmt.Errorf("reading %s: %w", title, err)
	}
	return d.judged(title, live, after, d.apply(ctx, live, after))
}

// judged is what follows from the answer of the API server.
func (d dryRun) judged(title string, live, after *unstructured.Unstructured, err error) (judgement, error) {
	if err == nil {
		return judgement{before: live, after: after}, nil
	}
	if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) && !apierrors.IsForbidden(err) {
		return judgement{}, fmt.Errorf("trying %s: %w", title, err)
	}
	return judgement{before: live, after: after, refused: problems(title, err)}, nil
}

// apply does what kubectl apply does, as a dry run: fields that the manifest no longer has are taken away.
func (d dryRun) apply(ctx context.Context, live, after *unstructured.Unstructured) error {
	if slices.ContainsFunc(live.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Operation == metav1.ManagedFieldsOperationApply && entry.Manager == kubectl
	}) {
		return d.Apply(ctx, client.ApplyConfigurationFromUnstructured(after), client.DryRunAll, client.FieldOwner(kubectl))
	}
	current, err := live.MarshalJSON()
	if err != nil {
		return err
	}
	modified, err := after.MarshalJSON()
	if err != nil {
		return err
	}
	original := live.GetAnnotations()[corev1.LastAppliedConfigAnnotation]
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch([]byte(original), modified, current)
	if err != nil {
		return fmt.Errorf("comparing with what was applied before: %w", err)
	}
	if !json.Valid(patch) {
		return errors.New("comparing with what was applied before: the result is no JSON")
	}
	live.DeepCopyInto(after)
	return d.Patch(ctx, after, client.RawPatch(types.MergePatchType, patch), client.DryRunAll,
		client.FieldValidation(metav1.FieldValidationStrict))
}

// problems are the parts of a refusal.
func problems(title string, err error) []plan.Problem {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return []plan.Problem{{Object: title, Message: err.Error()}}
	}
	var all []plan.Problem
	for _, cause := range status.Status().Details.Causes {
		all = append(all, plan.Problem{Object: title, Field: cause.Field, Message: cause.Message})
	}
	return all
}

// missingNamespace tells whether an object could not be created for want of its namespace.
func missingNamespace(err error, object client.Object) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "namespaces" && details.Name == object.GetNamespace()
}

// within judges an object in a namespace that is not there: by its schema, if a manifest before creates the namespace.
func (d dryRun) within(ctx context.Context, title string, object *unstructured.Unstructured) (judgement, error) {
	namespace := object.GetNamespace()
	if !d.coming[namespace] {
		return judgement{after: object, refused: []plan.Problem{{Object: title, Field: "metadata.namespace", Message: fmt.Sprintf(
			"there is no namespace %s; run kubectl create namespace %s, or put its manifest before this one", namespace, namespace)}}}, nil
	}
	judged, err := offlineJudge{schemas: d.schemas}.judge(ctx, object)
	judged.note = "judged without the API server, because its namespace is yet to come"
	return judged, err
}
