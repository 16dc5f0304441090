// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Labels that every object carries. LabelFederation holds the Federation's name; together with LabelManagedBy it
// selects the server's pods.
const (
	LabelFederation = "xmppfed.io/federation"
	LabelManagedBy  = "app.kubernetes.io/managed-by"
	ManagedBy       = "xmppfed"
)

// AnnotationGeneration on the ConfigMap names the generation of the configuration in it, and on a pod the one it should run. Changing
// the latter makes the kubelet renew the pod's volumes at once instead of within its sync period of about a minute.
const AnnotationGeneration = "xmppfed.io/generation"

// Annotations of the ConfigMap list, separated by commas, the domains that the server is configured for, those with users and
// the group chat services. So it is known what a domain was when the spec does not say it any more.
const (
	AnnotationDomains    = "xmppfed.io/domains"
	AnnotationGroupChats = "xmppfed.io/group-chats"
)

// Names of a Federation's objects, all in its namespace.

// StatefulSetName is the name of the StatefulSet, the PodDisruptionBudget and the NetworkPolicy.
func StatefulSetName(fed *v1alpha1.Federation) string { return fed.Name }

// ConfigName is the name of the ConfigMap and of the Secret that the server mounts.
func ConfigName(fed *v1alpha1.Federation) string { return fed.Name + "-server" }

// HeadlessServiceName is the name of the Service that gives the pods their names.
func HeadlessServiceName(fed *v1alpha1.Federation) string { return fed.Name + "-pods" }

// PublicServiceName is the name of the Service of type LoadBalancer that gets the public address.
func PublicServiceName(fed *v1alpha1.Federation) string { return fed.Name + "-s2s" }

// ClientServiceName is the name of the Service that clients inside the cluster log in through.
func ClientServiceName(fed *v1alpha1.Federation) string { return fed.Name + "-clients" }

// CASecretName is the name of the Secret with the operator's own certificate authority for the Federation.
func CASecretName(fed *v1alpha1.Federation) string { return fed.Name + "-ca" }

// SelectorLabels select the server's pods. They never change, because a StatefulSet's selector can't.
func SelectorLabels(fed *v1alpha1.Federation) map[string]string {
	return map[string]string{LabelFederation: fed.Name, LabelManagedBy: ManagedBy}
}

func objectMeta(fed *v1alpha1.Federation, name string) metav1.ObjectMeta {
	labels := SelectorLabels(fed)
	labels["app.kubernetes.io/name"] = "xmppfed-server"
	labels["app.kubernetes.io/instance"] = fed.Name
	return metav1.ObjectMeta{
		Name:            name,
		Namespace:       fed.Namespace,
		Labels:          labels,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(fed, v1alpha1.GroupVersion.WithKind("Federation"))},
	}
}

// merge returns the union of maps, a new map; later ones win.
func merge[M ~map[K]V, K comparable, V any](all ...M) M {
	union := M{}
	for _, m := range all {
		maps.Copy(union, m)
	}
	return union
}

// Names are those of all objects of a Federation.
func Names(fed *v1alpha1.Federation) []string {
	return []string{
		StatefulSetName(fed), ConfigName(fed), HeadlessServiceName(fed), PublicServiceName(fed), ClientServiceName(fed),
	}
}
