// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// servers are the running pods of a Federation's server, with what they were given.
type servers struct {
	secret corev1.Secret
	pods   []*corev1.Pod
}

// token proves to a server that it may be asked.
func (s servers) token() string { return string(s.secret.Data[engine.KeyToken]) }

// servers finds them. An error says, for people, why they can't be asked.
func (c *cluster) servers(ctx context.Context, fed *v1alpha1.Federation) (found servers, err error) {
	key := client.ObjectKey{Namespace: fed.Namespace, Name: desired.ConfigName(fed)}
	switch err := c.Get(ctx, key, &found.secret); {
	case apierrors.IsForbidden(err):
		return found, fmt.Errorf("you may not read Secret %s, which holds the token for asking the server", key)
	case apierrors.IsNotFound(err):
		return found, errors.New("the server has not been set up yet")
	case err != nil:
		return found, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	var pods corev1.PodList
	labels := client.MatchingLabels(desired.SelectorLabels(fed))
	switch err := c.List(ctx, &pods, client.InNamespace(fed.Namespace), labels); {
	case apierrors.IsForbidden(err):
		return found, fmt.Errorf("you may not list pods in namespace %s", fed.Namespace)
	case err != nil:
		return found, fmt.Errorf("listing pods: %w", err)
	}
	for i := range pods.Items {
		if pod := &pods.Items[i]; pod.Status.Phase == corev1.PodRunning && metav1.GetControllerOf(pod) != nil {
			found.pods = append(found.pods, pod)
		}
	}
	return found, nil
}

// reach makes a port of a pod reachable here until the context ends. An error is for people.
func (c *cluster) reach(ctx context.Context, pod *corev1.Pod, port int32) (address string, err error) {
	address, err = c.forward(ctx, pod, port)
	switch {
	case apierrors.IsForbidden(err):
		return "", fmt.Errorf("you may not forward ports of pods in namespace %s", pod.Namespace)
	case err != nil:
		return "", fmt.Errorf("forwarding port %d of pod %s: %w", port, pod.Name, err)
	}
	return address, nil
}
