// SPDX-License-Identifier: Apache-2.0

package desired

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// serverUser is the user and group that the server runs as. No image needs to know it: everything the server writes
// lies in volumes that the group owns.
const serverUser = 15269

// terminationGraceSeconds lets the server close its streams with <system-shutdown/> (RFC 6120 section 4.9.3.22).
const terminationGraceSeconds = 45

// drainSeconds is how long a pod goes on serving after its deletion began, until every node has stopped sending it new
// connections.
const drainSeconds = 5

// StatefulSet runs the server. Configuration is mounted and reloaded while the server runs, so only a change of image,
// storage or pod template restarts it.
func StatefulSet(fed *v1alpha1.Federation, server engine.Engine, image string) *appsv1.StatefulSet {
	meta := objectMeta(fed, StatefulSetName(fed))
	return &appsv1.StatefulSet{
		ObjectMeta: meta,
		Spec: appsv1.StatefulSetSpec{
			ServiceName:         HeadlessServiceName(fed),
			Replicas:            ptr.To(fed.Spec.Server.Replicas),
			PodManagementPolicy: appsv1.ParallelPodManagement,
			Selector:            &metav1.LabelSelector{MatchLabels: SelectorLabels(fed)},
			Template:            podTemplate(fed, meta.Labels, server, image),
			// The volume outlives the Federation: rosters and messages are the users', not the operator's.
			PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
				WhenScaled:  appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
			},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{volumeClaim(fed)},
		},
	}
}

func podTemplate(fed *v1alpha1.Federation, labels map[string]string, server engine.Engine, image string) corev1.PodTemplateSpec {
	custom := ptr.Deref(fed.Spec.Server.PodTemplate, v1alpha1.PodTemplateSpec{})
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: merge(custom.Labels, labels), Annotations: merge(custom.Annotations)},
		Spec: corev1.PodSpec{
			Containers:                    []corev1.Container{container(server, image, custom.Resources)},
			Volumes:                       volumes(fed),
			SecurityContext:               podSecurityContext(),
			AutomountServiceAccountToken:  ptr.To(false),
			EnableServiceLinks:            ptr.To(false),
			TerminationGracePeriodSeconds: ptr.To[int64](terminationGraceSeconds),
			// Partners' names are absolute; the default of 5 dots would ask the cluster's search domains first.
			DNSConfig:         &corev1.PodDNSConfig{Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: ptr.To("1")}}},
			NodeSelector:      custom.NodeSelector,
			Tolerations:       custom.Tolerations,
			Affinity:          custom.Affinity,
			PriorityClassName: custom.PriorityClassName,
			ImagePullSecrets:  custom.ImagePullSecrets,
		},
	}
}

func container(server engine.Engine, image string, custom v1alpha1.ResourcesSpec) corev1.Container {
	c := server.Container()
	c.Image = image
	c.SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false),
		ReadOnlyRootFilesystem:   ptr.To(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
	// What a server says before it ends becomes part of status.
	c.TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError
	c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: drainSeconds}}}
	c.Resources = mergeResources(c.Resources, custom)
	return c
}

// mergeResources replaces each default that custom names. A default limit below a named request gives way to it.
func mergeResources(defaults corev1.ResourceRequirements, custom v1alpha1.ResourcesSpec) corev1.ResourceRequirements {
	merged := corev1.ResourceRequirements{
		Requests: merge(defaults.Requests, custom.Requests), Limits: merge(defaults.Limits, custom.Limits),
	}
	for name, limit := range merged.Limits {
		request, found := merged.Requests[name]
		if !found || request.Cmp(limit) <= 0 {
			continue
		}
		if _, named := custom.Limits[name]; named {
			merged.Requests[name] = limit
		} else {
			merged.Limits[name] = request
		}
	}
	return merged
}

func podSecurityContext() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsNonRoot:        ptr.To(true),
		RunAsUser:           ptr.To[int64](serverUser),
		RunAsGroup:          ptr.To[int64](serverUser),
		FSGroup:             ptr.To[int64](serverUser),
		FSGroupChangePolicy: ptr.To(corev1.FSGroupChangeOnRootMismatch),
		SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func volumes(fed *v1alpha1.Federation) []corev1.Volume {
	return []corev1.Volume{
		{Name: engine.VolumeConfig, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: ConfigName(fed)},
		}}},
		{Name: engine.VolumeSecret, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: ConfigName(fed), DefaultMode: ptr.To[int32](0o440),
		}}},
		{Name: engine.VolumeRun, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: engine.VolumeTmp, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}
}

func volumeClaim(fed *v1alpha1.Federation) corev1.PersistentVolumeClaim {
	storage := fed.Spec.Server.Storage
	return corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: engine.VolumeData, Labels: SelectorLabels(fed)},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: storage.StorageClassName,
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: storage.Size},
			},
		},
	}
}
