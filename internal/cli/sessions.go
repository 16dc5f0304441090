// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// sessionsTimeout is how long the servers of a Federation may take to tell about their sessions.
const sessionsTimeout = 5 * time.Second

// sessions asks the servers of a Federation for their streams, and for how many there are: of very many, they list only
// the first. An error says, for people, why they can't be known.
func (c *cluster) sessions(ctx context.Context, fed *v1alpha1.Federation) (sessions []engine.Session, total int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sessionsTimeout)
	defer cancel()
	key := client.ObjectKey{Namespace: fed.Namespace, Name: desired.ConfigName(fed)}
	var secret corev1.Secret
	switch err := c.Get(ctx, key, &secret); {
	case apierrors.IsForbidden(err):
		return nil, 0, fmt.Errorf("you may not read Secret %s, which holds the token for asking the server", key)
	case apierrors.IsNotFound(err):
		return nil, 0, errors.New("the server has not been set up yet")
	case err != nil:
		return nil, 0, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	var pods corev1.PodList
	labels := client.MatchingLabels(desired.SelectorLabels(fed))
	switch err := c.List(ctx, &pods, client.InNamespace(fed.Namespace), labels); {
	case apierrors.IsForbidden(err):
		return nil, 0, fmt.Errorf("you may not list pods in namespace %s", fed.Namespace)
	case err != nil:
		return nil, 0, fmt.Errorf("listing pods: %w", err)
	}
	asked := 0
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Status.Phase != corev1.PodRunning || metav1.GetControllerOf(pod) == nil {
			continue
		}
		live, err := c.ask(ctx, pod, string(secret.Data[engine.KeyToken]))
		if err != nil {
			return nil, 0, err
		}
		sessions = append(sessions, live.Sessions...)
		total += int(live.SessionsTotal)
		asked++
	}
	if asked == 0 {
		return nil, 0, errors.New("no pod of the server runs")
	}
	return sessions, total, nil
}

// ask asks the server in a pod for its status, through the API server: the user's machine need not reach pods.
func (c *cluster) ask(ctx context.Context, pod *corev1.Pod, token string) (engine.LiveStatus, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	address, err := c.forward(ctx, pod, engine.PortNumberHTTP)
	switch {
	case apierrors.IsForbidden(err):
		return engine.LiveStatus{}, fmt.Errorf("you may not forward ports of pods in namespace %s", pod.Namespace)
	case err != nil:
		return engine.LiveStatus{}, fmt.Errorf("forwarding port %d of pod %s: %w", engine.PortNumberHTTP, pod.Name, err)
	}
	live, err := engine.StatusAt(ctx, address, token)
	if err != nil {
		return engine.LiveStatus{}, fmt.Errorf("the server in pod %s does not answer: %w", pod.Name, err)
	}
	return live, nil
}
