// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

func TestFailure_NamesTheFieldOfTheFederation(t *testing.T) {
	pod := field.NewPath("spec", "template", "spec")
	for want, path := range map[string]*field.Path{
		"spec.server.podTemplate.resources.limits[example.com/gpu]": pod.Child("containers").Index(0).Child("resources", "limits").Key("example.com/gpu"),
		"spec.server.podTemplate.tolerations[0].operator":           pod.Child("tolerations").Index(0).Child("operator"),
		"spec.server.podTemplate.affinity.nodeAffinity":             pod.Child("affinity", "nodeAffinity"),
		"spec.server.podTemplate.nodeSelector":                      pod.Child("nodeSelector"),
		"spec.server.podTemplate.priorityClassName":                 pod.Child("priorityClassName"),
		"spec.server.podTemplate.imagePullSecrets[1].name":          pod.Child("imagePullSecrets").Index(1).Child("name"),
		"spec.server.podTemplate.labels":                            field.NewPath("spec", "template", "labels"),
		"spec.server.podTemplate.annotations":                       field.NewPath("spec", "template", "annotations"),
		"spec.server.image":                                         pod.Child("containers").Index(0).Child("image"),
		"spec.exposure.loadBalancer.sourceRanges[0]":                field.NewPath("spec", "LoadBalancerSourceRanges").Index(0),
		"spec.exposure.loadBalancer.class":                          field.NewPath("spec", "loadBalancerClass"),
		"spec.exposure.loadBalancer.ipFamilyPolicy":                 field.NewPath("spec", "ipFamilyPolicy"),
	} {
		refused := apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "StatefulSet"}, "cup",
			field.ErrorList{field.Invalid(path, "x", "must be otherwise")})
		got := failure(refused)
		if got.Reason != v1alpha1.ReasonObjectRefused || !strings.Contains(got.Message, ": "+want+": ") {
			t.Errorf("want %s in %s: %s", want, got.Reason, got.Message)
		}
	}
}
