// SPDX-License-Identifier: Apache-2.0

package desired

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// PodDisruptionBudget lets a drain take one pod at a time. A single replica may go too: a budget that forbids it would
// block the drain of its node for ever.
func PodDisruptionBudget(fed *v1alpha1.Federation) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: objectMeta(fed, StatefulSetName(fed)),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: ptr.To(intstr.FromInt32(1)),
			Selector:       &metav1.LabelSelector{MatchLabels: SelectorLabels(fed)},
		},
	}
}
