// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
)

// unanswered is a Verifier whose name servers do not answer until who asks gives up.
type unanswered struct {
	controllers.Verifier
	asked chan struct{}
}

func (u unanswered) Check(ctx context.Context, _ dns.Provider, _ []dns.RRset, _ []dns.Key) (verify.Report, error) {
	u.asked <- struct{}{}
	<-ctx.Done()
	return verify.Report{}, ctx.Err()
}

func TestManyThatWaitForADeadSecondaryKeepNobodyFromWriting(t *testing.T) {
	const many = 17 // one more than are at work at a primary at the same time
	w := newWorldWithZone(t)
	servers := unanswered{w.feds.Verifier, make(chan struct{})}
	w.feds.Verifier = servers
	for i := range many {
		name := fmt.Sprintf("cup%d", i)
		w.create(name, func(fed *v1alpha1.Federation) {
			fed.Spec.Domains = []v1alpha1.DomainName{v1alpha1.DomainName(name + ".cupdomain.com")}
			fed.Spec.DNS.Hostname = v1alpha1.DomainName("xmpp." + name + ".cupdomain.com")
			fed.Spec.Server.GroupChat = nil
			fed.Spec.Exposure.PublicAddresses = []string{publicAddress}
		})
		// One begins and ends after the other, as the world is not for several at once.
		ctx, giveUp := context.WithCancel(t.Context())
		ended := make(chan struct{})
		defer func() {
			giveUp()
			<-ended
		}()
		go func() {
			defer close(ended)
			_, _ = w.feds.Reconcile(ctx, ctrl.Request{NamespacedName: w.key(name)}) // it is given up
		}()
		select {
		case <-servers.asked:
		case <-time.After(30 * time.Second):
			t.Fatalf("%d wait for a name server, and the next one can't write", i)
		}
	}
	w.Expect(w.records()).To(gomega.HaveLen(2 * many))
}
