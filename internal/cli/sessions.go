// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// liveTimeout is how long the servers of a Federation may take to tell about themselves.
const liveTimeout = 5 * time.Second

// live asks the servers of a Federation what they are at. An error says, for people, why that can't be known.
func (c *cluster) live(ctx context.Context, fed *v1alpha1.Federation) ([]engine.LiveStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	servers, err := c.servers(ctx, fed)
	if err != nil {
		return nil, err
	}
	if len(servers.pods) == 0 {
		return nil, errors.New("no pod of the server runs")
	}
	all := make([]engine.LiveStatus, 0, len(servers.pods))
	for _, pod := range servers.pods {
		live, err := c.ask(ctx, pod, servers.token())
		if err != nil {
			return nil, err
		}
		all = append(all, live)
	}
	return all, nil
}

// ask asks the server in a pod for its status, through the API server: the user's machine need not reach pods.
func (c *cluster) ask(ctx context.Context, pod *corev1.Pod, token string) (engine.LiveStatus, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	address, err := c.reach(ctx, pod, engine.PortNumberHTTP)
	if err != nil {
		return engine.LiveStatus{}, err
	}
	live, err := engine.StatusAt(ctx, address, token)
	if err != nil {
		return engine.LiveStatus{}, fmt.Errorf("the server in pod %s does not answer: %w", pod.Name, err)
	}
	return live, nil
}
