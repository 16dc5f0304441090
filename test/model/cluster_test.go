// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/patrol"
	"github.com/xmppfed/xmppfed/internal/pki"
)

// What Kubernetes' own controllers, the cloud and the kubelet do.

// simulate lets the other controllers of the cluster do what is due.
func (w *world) simulate() error {
	for _, controller := range []func(context.Context) error{w.collectGarbage, w.assignAddresses, w.runPods} {
		// One that was too slow for the operator has its next turn soon: the operator wrote.
		if err := controller(context.Background()); err != nil && !apierrors.IsConflict(err) {
			return err
		}
	}
	return nil
}

// dependents are the kinds of objects that belong to Federations or to their StatefulSets.
func dependents() []client.ObjectList {
	return []client.ObjectList{
		&corev1.ServiceList{}, &corev1.SecretList{}, &corev1.ConfigMapList{}, &corev1.PodList{}, &appsv1.StatefulSetList{},
		&policyv1.PodDisruptionBudgetList{}, &networkingv1.NetworkPolicyList{},
	}
}

// collectGarbage deletes objects whose controller is gone.
func (w *world) collectGarbage(ctx context.Context) error {
	var feds v1alpha1.FederationList
	var sets appsv1.StatefulSetList
	if err := errors.Join(w.api.List(ctx, &feds), w.api.List(ctx, &sets)); err != nil {
		return err
	}
	alive := map[types.UID]bool{}
	for i := range feds.Items {
		alive[feds.Items[i].UID] = true
	}
	for i := range sets.Items {
		alive[sets.Items[i].UID] = true
	}
	for _, list := range dependents() {
		if err := w.api.List(ctx, list); err != nil {
			return err
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			obj := item.(client.Object)
			owner := metav1.GetControllerOf(obj)
			if owner == nil || alive[owner.UID] {
				return nil
			}
			return client.IgnoreNotFound(w.api.Delete(ctx, obj))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// assignAddresses gives each load balancer an address that nobody has had.
func (w *world) assignAddresses(ctx context.Context) error {
	var services corev1.ServiceList
	if err := w.api.List(ctx, &services); err != nil {
		return err
	}
	for i := range services.Items {
		service := &services.Items[i]
		if service.Spec.Type != corev1.ServiceTypeLoadBalancer || len(service.Status.LoadBalancer.Ingress) > 0 {
			continue
		}
		service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: w.nextAddress()}}
		if err := w.api.Status().Update(ctx, service); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) nextAddress() string {
	w.addresses++
	return fmt.Sprintf("203.0.%d.%d", 113+w.addresses/250, 1+w.addresses%250)
}

// runPods keeps one pod of each StatefulSet running and ready.
func (w *world) runPods(ctx context.Context) error {
	var sets appsv1.StatefulSetList
	if err := w.api.List(ctx, &sets); err != nil {
		return err
	}
	for i := range sets.Items {
		err := w.runPod(ctx, &sets.Items[i])
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *world) runPod(ctx context.Context, set *appsv1.StatefulSet) error {
	pod := &corev1.Pod{}
	err := w.api.Get(ctx, client.ObjectKey{Namespace: set.Namespace, Name: set.Name + "-0"}, pod)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil {
		pod = podOf(set)
		if err := w.api.Create(ctx, pod); err != nil {
			return err
		}
	}
	if pod.Status.PodIP == "" {
		if err := w.startPod(ctx, set, pod); err != nil {
			return err
		}
	}
	if set.Status.ObservedGeneration == set.Generation {
		return nil
	}
	set.Status = appsv1.StatefulSetStatus{
		ObservedGeneration: set.Generation, Replicas: 1, ReadyReplicas: 1, UpdatedReplicas: 1, CurrentReplicas: 1, AvailableReplicas: 1,
	}
	return w.api.Status().Update(ctx, set)
}

// startPod gives a pod an address and says that it is ready.
func (w *world) startPod(ctx context.Context, set *appsv1.StatefulSet, pod *corev1.Pod) error {
	w.pods++
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, fmt.Sprintf("10.244.%d.%d", w.pods/250, 1+w.pods%250)
	pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	w.serverAt[pod.Status.PodIP] = client.ObjectKeyFromObject(set)
	return w.api.Status().Update(ctx, pod)
}

func podOf(set *appsv1.StatefulSet) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: set.Namespace, Name: set.Name + "-0",
			Labels: set.Spec.Template.Labels, Annotations: set.Spec.Template.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))},
		},
		Spec: *set.Spec.Template.Spec.DeepCopy(),
	}
	pod.Spec.NodeName = "node"
	return pod
}

var generationInConfig = regexp.MustCompile(`generation\W+([0-9a-f]{16})\b`)

// liveStatus is what the server at an address says: it always runs what the cluster holds for it.
func (w *world) liveStatus(ctx context.Context, podIP, token string) (engine.LiveStatus, error) {
	key, found := w.serverAt[podIP]
	if !found {
		return engine.LiveStatus{}, errors.New("connection refused")
	}
	key.Name += "-server"
	var files corev1.ConfigMap
	var secret corev1.Secret
	if err := errors.Join(w.api.Get(ctx, key, &files), w.api.Get(ctx, key, &secret)); err != nil {
		return engine.LiveStatus{}, err
	}
	if token != string(secret.Data[engine.KeyToken]) {
		return engine.LiveStatus{}, errors.New("401 Unauthorized")
	}
	for name, text := range files.Data {
		match := generationInConfig.FindStringSubmatch(text)
		if match == nil || !strings.HasSuffix(name, ".lua") {
			continue
		}
		verdict := pki.Judge(secret.Data[engine.KeyTLSCert], secret.Data[engine.KeyTLSKey], nil, w.now())
		return engine.LiveStatus{
			Version: "13.0.1", Generation: match[1], SecretGeneration: string(secret.Data[engine.KeyGeneration]),
			Certificate: engine.LiveCertificate{Serial: verdict.Certificate.Serial},
		}, nil
	}
	return engine.LiveStatus{}, errors.New("no generation in the configuration")
}

// noPeers watches nobody: partners are no part of the model.
type noPeers struct{}

func (noPeers) Watch(types.NamespacedName, patrol.Orders) map[string]check.PeerVerdict { return nil }
func (noPeers) Pause(types.NamespacedName)                                             {}
func (noPeers) Known(types.NamespacedName) map[string]check.PeerVerdict                { return nil }
func (noPeers) Forget(types.NamespacedName)                                            {}
