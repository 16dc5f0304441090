// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// kubelet stands in for the rest of Kubernetes and for the XMPP servers, of which the operator waits to see that they run:
// each StatefulSet gets a pod that is ready at once, and at the address of each pod somebody tells that it runs what it
// should.
type kubelet struct {
	client client.WithWatch

	mu   sync.Mutex
	pods map[netip.Addr]client.ObjectKey
	last netip.Addr
}

// helpers work side by side.
const helpers = 8

func startKubelet(ctx context.Context, c client.WithWatch) error {
	network := netip.MustParsePrefix(podNetwork)
	k := &kubelet{client: c, pods: map[netip.Addr]client.ObjectKey{}, last: network.Addr().Next()}
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", engine.PortNumberHTTP))
	if err != nil {
		return fmt.Errorf("listening as pods: %w", err)
	}
	go func() { _ = http.Serve(listener, k) }() //nolint:gosec // ends with the process; only the operator asks
	changes := make(chan watch.Event)
	go k.follow(ctx, changes)
	for range helpers {
		go k.work(ctx, changes)
	}
	return nil
}

// follow what becomes of StatefulSets. The API server ends the watch of somebody who is too slow for it; the next one begins
// with all there are, a second later.
func (k *kubelet) follow(ctx context.Context, changes chan<- watch.Event) {
	defer close(changes)
	for rest(ctx, time.Second) == nil {
		watching, err := k.client.Watch(ctx, &appsv1.StatefulSetList{})
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench-dns: watching StatefulSets:", err)
			continue
		}
		for change := range watching.ResultChan() {
			changes <- change
		}
	}
}

func (k *kubelet) work(ctx context.Context, changes <-chan watch.Event) {
	for change := range changes {
		set, ok := change.Object.(*appsv1.StatefulSet)
		if !ok || change.Type == watch.Deleted || set.Status.ObservedGeneration == set.Generation {
			continue
		}
		if err := k.run(ctx, set); client.IgnoreNotFound(err) != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "bench-dns: running StatefulSet", set.Name+":", err)
		}
	}
}

// run gives the StatefulSet its pod.
func (k *kubelet) run(ctx context.Context, set *appsv1.StatefulSet) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: set.Name + "-0", Namespace: set.Namespace, Labels: set.Spec.Template.Labels,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "server", Image: set.Spec.Template.Spec.Containers[0].Image}}},
	}
	if err := k.client.Create(ctx, pod); client.IgnoreAlreadyExists(err) != nil {
		return err
	} else if err == nil {
		address := k.place(client.ObjectKeyFromObject(pod))
		pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = corev1.PodRunning, address, []corev1.PodIP{{IP: address}}
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		if err := k.client.Status().Update(ctx, pod); err != nil {
			return err
		}
	}
	before := set.DeepCopy()
	set.Status = appsv1.StatefulSetStatus{
		ObservedGeneration: set.Generation, Replicas: 1, ReadyReplicas: 1, UpdatedReplicas: 1, CurrentReplicas: 1, AvailableReplicas: 1,
	}
	return k.client.Status().Patch(ctx, set, client.MergeFrom(before))
}

// place gives a pod an address.
func (k *kubelet) place(pod client.ObjectKey) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = k.last.Next()
	k.pods[k.last] = pod
	return k.last.String()
}

// ServeHTTP answers as the server in the pod does whose address was called: it runs what the operator told the pod to run.
func (k *kubelet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	local := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr).AddrPort().Addr().Unmap()
	k.mu.Lock()
	key := k.pods[local]
	k.mu.Unlock()
	var pod corev1.Pod
	if err := k.client.Get(r.Context(), key, &pod); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	config, secret, _ := strings.Cut(pod.Annotations[desired.AnnotationGeneration], ".")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"engine": "Prosody", "version": "13.0", "generation": config, "secretGeneration": secret,
	})
}
