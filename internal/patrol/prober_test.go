// SPDX-License-Identifier: Apache-2.0

package patrol

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// hosting plays services that host what they shouldn't.
type hosting struct {
	conflicts []check.Conflict
	err       error
	asked     []check.ConflictTarget
}

func (h *hosting) Conflict(_ context.Context, target check.ConflictTarget) ([]check.Conflict, error) {
	h.asked = append(h.asked, target)
	return h.conflicts, h.err
}

func TestWireTellsWhatThePingMeansUnlessThePartnerHostsOurDomain(t *testing.T) {
	hosts := []check.Conflict{{Domain: "cupdomain.com", Server: "xmpp.gmail.com:5269"}}
	answered := engine.Pong{Answered: true, Stage: engine.StageAnswer, Session: &engine.Session{Secure: true, Authentication: "EXTERNAL"}}
	unresolved := engine.Pong{Stage: engine.StageResolve, Condition: "remote-server-not-found"}
	for name, test := range map[string]struct {
		pong    engine.Pong
		pingErr error
		hosting hosting
		only    bool
		status  metav1.ConditionStatus
		reason  string
		asked   int
		fails   bool
	}{
		"it answers": {pong: answered, status: metav1.ConditionTrue, reason: v1alpha1.ReasonPeerReachable, asked: 1},
		"it answers and hosts our domain": {pong: answered, hosting: hosting{conflicts: hosts},
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonPeerHostsOurDomain, asked: 1},
		"it takes the ping and hosts our domain": {pong: engine.Pong{Stage: engine.StageAnswer}, hosting: hosting{conflicts: hosts},
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonPeerHostsOurDomain, asked: 1},
		"whether it hosts our domain can't be learnt": {pong: answered, hosting: hosting{err: errors.New("no resolver")},
			status: metav1.ConditionTrue, reason: v1alpha1.ReasonPeerReachable, asked: 1},
		"neither it nor its servers can be found": {pong: unresolved, hosting: hosting{err: errors.New("no server")},
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonPeerDNS, asked: 1},
		"our server can't be asked":                  {pingErr: errors.New("401"), asked: 1, fails: true},
		"a service that is no partner hosts nothing": {only: true, status: metav1.ConditionTrue, reason: v1alpha1.ReasonPeerReachable, asked: 1},
		"a service that is no partner hosts a domain": {only: true, hosting: hosting{conflicts: hosts},
			status: metav1.ConditionFalse, reason: v1alpha1.ReasonPeerHostsOurDomain, asked: 1},
		"a service that is no partner can't be asked": {only: true, hosting: hosting{err: errors.New("no resolver")}, asked: 1, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			var pinged atomic.Int32
			wire := Wire{Hosting: &test.hosting, Ping: func(_ context.Context, podIP, token, from, to string) (engine.Pong, error) {
				pinged.Add(1)
				if podIP != "10.244.0.5" || token != "secret" || from != "cupdomain.com" || to != "gmail.com" {
					t.Errorf("pinged %s from %s at %s with %q", to, from, podIP, token)
				}
				return test.pong, test.pingErr
			}}
			post := Post{PodIP: "10.244.0.5", Token: "secret", From: "cupdomain.com", Domains: []string{"cupdomain.com", "conference.cupdomain.com"}}
			verdict, err := wire.Try(t.Context(), post, Target{Domain: "gmail.com", HostingOnly: test.only})
			if (err != nil) != test.fails || verdict.Status != test.status || verdict.Reason != test.reason {
				t.Errorf("got %+v, %v", verdict, err)
			}
			if len(test.hosting.asked) != test.asked || test.only && pinged.Load() > 0 {
				t.Errorf("asked %d times, pinged %d times", len(test.hosting.asked), pinged.Load())
			}
			for _, target := range test.hosting.asked {
				if target.Service != "gmail.com" || len(target.Domains) != 2 {
					t.Errorf("asked %+v", target)
				}
			}
		})
	}
}

func TestAPartnerThatHostsOurDomainIsToldOfWithoutWaitingForThePing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		wire := Wire{
			Hosting: &hosting{conflicts: []check.Conflict{{Domain: "cupdomain.com", Server: "xmpp.gmail.com:5269"}}},
			Ping: func(ctx context.Context, _, _, _, _ string) (engine.Pong, error) {
				<-ctx.Done()
				ended <- ctx.Err()
				return engine.Pong{}, ctx.Err()
			},
		}
		verdict, err := wire.Try(t.Context(), Post{Domains: []string{"cupdomain.com"}}, Target{Domain: "gmail.com"})
		if err != nil || verdict.Reason != v1alpha1.ReasonPeerHostsOurDomain {
			t.Errorf("got %+v, %v", verdict, err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the ping ended with %v", err)
		}
	})
}

func TestWireKeepsBackWhyAPrivateAddressDoesNotAnswer(t *testing.T) {
	refused := engine.Pong{Stage: engine.StageConnect, Failure: "connection refused", Addresses: []string{"10.21.0.1"}}
	open := engine.Pong{Stage: engine.StageStream, Failure: "the partner closed the stream", Addresses: []string{"10.21.0.1"}}
	answered := engine.Pong{Answered: true, Stage: engine.StageAnswer, Addresses: []string{"10.21.0.1"}}
	for name, test := range map[string]struct {
		pong   engine.Pong
		reason string
		took   time.Duration
	}{
		"a port that nobody listens at":   {refused, v1alpha1.ReasonPeerUndisclosed, engine.PingTimeout},
		"a port that something is at":     {open, v1alpha1.ReasonPeerUndisclosed, engine.PingTimeout},
		"a partner's server that answers": {answered, v1alpha1.ReasonPeerReachable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := Wire{Hosting: &hosting{}, Discretion: &check.Discretion{}, Ping: func(context.Context, string, string, string, string) (engine.Pong, error) {
					return test.pong, nil
				}}
				began := time.Now()
				verdict, err := wire.Try(t.Context(), Post{}, Target{Domain: "gmail.com"})
				if err != nil || verdict.Reason != test.reason || time.Since(began) != test.took {
					t.Errorf("got %+v, %v after %s", verdict, err, time.Since(began))
				}
			})
		})
	}
}
