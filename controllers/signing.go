// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

const (
	// signingTimeout bounds one answer to whether a zone is signed: eight resolvers that do not answer take 16 seconds.
	signingTimeout = 30 * time.Second
	// signingWait is how long a reconcile waits for that answer. Resolvers that a Federation names may be dead, and must not hold
	// up its records, nor a worker.
	signingWait = time.Second
)

var errSigningUnknown = errors.New("whether the zone is signed (DNSSEC) is being found out; the resolvers of " +
	"spec.verification.resolvers, or else the operator's own, and the zone's name servers take long to answer")

// signings remembers, for each Federation with TLSA records, whether its zone is signed. The servers are asked aside.
type signings struct {
	mu    sync.Mutex
	byFed map[types.UID]signing
}

// signing is the newest answer for one Federation.
type signing struct {
	signingAnswer
	// inputs are what was asked about, and whom; empty before the first answer.
	inputs string
	// done is closed at the end of the question under way; nil if there is none.
	done chan struct{}
}

// signingAnswer says why partners can't trust what the zone says; empty when they can. With an error, that is not known.
type signingAnswer struct {
	unsigned string
	err      error
}

func (a signingAnswer) same(b signingAnswer) bool {
	return a.unsigned == b.unsigned && (a.err == nil) == (b.err == nil) && (a.err == nil || a.err.Error() == b.err.Error())
}

// begin returns the channel that is closed at the end of the question under way. It reports whether the caller has to ask it.
func (g *signings) begin(uid types.UID) (done chan struct{}, ask bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	last := g.byFed[uid]
	if last.done != nil {
		return last.done, false
	}
	if g.byFed == nil {
		g.byFed = map[types.UID]signing{}
	}
	last.done = make(chan struct{})
	g.byFed[uid] = last
	return last.done, true
}

// end notes an answer, and reports whether it is news. Nothing is noted of a Federation that is gone meanwhile.
func (g *signings) end(uid types.UID, done chan struct{}, inputs string, answer signingAnswer) (news bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer close(done)
	last := g.byFed[uid]
	if last.done != done {
		return false
	}
	g.byFed[uid] = signing{signingAnswer: answer, inputs: inputs}
	return last.inputs != inputs || !last.same(answer)
}

// answer returns the newest answer to the same question.
func (g *signings) answer(uid types.UID, inputs string) (unsigned string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if last := g.byFed[uid]; last.inputs == inputs {
		return last.unsigned, last.err
	}
	return "", errSigningUnknown
}

func (g *signings) forget(uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.byFed, uid)
}

// signed returns why partners can't trust what a zone says; empty when they can. It asks, and waits for the answer only for a
// moment: the Federation is looked at again when the answer comes later and is news.
func (r *FederationReconciler) signed(fed *v1alpha1.Federation, provider dns.Provider) (unsigned string, err error) {
	var resolvers []string
	for _, resolver := range fed.Spec.Verification.Resolvers {
		resolvers = append(resolvers, string(resolver))
	}
	uid, inputs := fed.UID, provider.Apex()+" "+strings.Join(resolvers, " ")
	done, ask := r.signings.begin(uid)
	if ask {
		about := event.TypedGenericEvent[*v1alpha1.Federation]{Object: fed.DeepCopy()}
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), signingTimeout)
			defer cancel()
			var answer signingAnswer
			answer.unsigned, answer.err = r.Verifier.Signed(ctx, r.Zones.reading(provider), resolvers, r.Now())
			if r.signings.end(uid, done, inputs, answer) && r.Checked != nil {
				r.Checked <- about
			}
		}()
	}
	late := time.NewTimer(signingWait)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	}
	return r.signings.answer(uid, inputs)
}
