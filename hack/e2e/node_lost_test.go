// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
)

// nodeLostWithin is how long it takes Kubernetes to notice that a node is silent, by default 50 seconds, and the operator to say so.
const nodeLostWithin = 3 * time.Minute

// A node falls silent and the server on it dies. Status says which node and what to do; when the node is back, so is everything
// that was acknowledged before.
func TestNodeLost(t *testing.T) {
	needs(t, usual, exclusive(processor))
	s := newAllowedSite(t)
	fed := s.served("lost."+zone, "", map[string]string{"alice": "alices-password", "bob": "bobs-password"})
	pod := s.pod(fed)
	const messages = 20
	alice := s.loginTo(fed, "alice")
	for i := range messages {
		s.must(alice.Send("message bob@lost.%s number %d", zone, i))
	}
	_, err := alice.Roster(s.ctx) // is answered after the messages were taken
	s.must(err)

	s.lab("kubelet", "halt")
	s.Cleanup(func() { s.lab("kubelet", "resume") })
	server, err := strconv.Atoi(filepath.Base(s.processOf(pod)))
	s.must(err)
	s.must(syscall.Kill(server, syscall.SIGKILL))
	lost := s.await(fed, nodeLostWithin, v1alpha1.ConditionServerReady, metav1.ConditionFalse, v1alpha1.ReasonNodeLost)
	s.mentions(lost.Message, "node "+pod.Spec.NodeName+" of pod "+pod.Name+" does not answer since",
		"kubectl taint nodes "+pod.Spec.NodeName+" node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")

	s.lab("kubelet", "resume")
	s.awaitReady(fed)
	bob := s.loginTo(fed, "bob")
	ctx, cancel := contextWithin(s, soon)
	defer cancel()
	for i := range messages {
		body := fmt.Sprintf("number %d", i)
		_, err := bob.Await(ctx, "to receive "+body, func(e conversation.Event) bool {
			return e.Event == "message" && strings.HasPrefix(e.From, alice.JID+"/") && e.Body == body
		})
		s.must(err)
	}
}
