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

// sessionsTimeout is how long the servers of a Federation may take to tell about their sessions.
const sessionsTimeout = 5 * time.Second

// sessions asks the servers of a Federation for their streams, and for how many there are: of very many, they list only
// the first. An error says, for people, why they can't be known.
func (c *cluster) sessions(ctx context.Context, fed *v1alpha1.Federation) (sessions []engine.Session, total int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sessionsTimeout)
	defer cancel()
	servers, err := c.servers(ctx, fed)
	if err != nil {
		return nil, 0, err
	}
	for _, pod := range servers.pods {
		live, err := c.ask(ctx, pod, servers.token())
		if err != nil {
			return nil, 0, err
		}
		sessions = append(sessions, live.Sessions...)
		total += int(live.SessionsTotal)
	}
	if len(servers.pods) == 0 {
		return nil, 0, errors.New("no pod of the server runs")
	}
	return sessions, total, nil
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
