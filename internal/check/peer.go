// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/engine"
)

const (
	// maxPeerMessage keeps the status of a Federation with hundreds of partners within what Kubernetes stores.
	maxPeerMessage = 256
	// maxName is how many bytes of a domain a partner's message carries; the entry in the status has it in full.
	maxName = 40
	// maxSaid is how many bytes of a server's own words a partner's message carries.
	maxSaid = 60
)

// PeerTarget is a partner to judge.
type PeerTarget struct {
	// Domain of the partner.
	Domain string
	// Policy that holds for it.
	Policy v1alpha1.PeerPolicy
	// From is our domain that the ping came from.
	From string
	// Route is where its server is, as host:port, when that is not left to the DNS; else empty.
	Route string
}

// PeerVerdict is what is known of a partner.
type PeerVerdict struct {
	// ID is the check that failed, or that shows that all is well; empty when nothing was learnt.
	ID ID
	// Status is True when the partner is reachable, and Unknown when nothing was learnt or our own policy denies it.
	Status metav1.ConditionStatus
	// Reason is one of those of the condition PeersReachable.
	Reason string
	// Message has at most 256 bytes of printable ASCII, and stays the same from try to try.
	Message string
	// Encrypted and Authentication ("EXTERNAL", "dialback" or empty) are those of the stream that carried the ping.
	Encrypted      bool
	Authentication string
	// RoundTrip is the time from ping to answer, streams that had to be opened first included.
	RoundTrip time.Duration
}

// JudgePing says what came of a ping means: whether the partner is reachable, else which side is at fault and what to do.
// Every answer of the partner, an error included, shows that stanzas travel both ways.
func JudgePing(t PeerTarget, pong engine.Pong) PeerVerdict {
	c, said := judgePong(t, pong)
	v := t.verdict(c, phrase.Clean(cmp.Or(t.From, "our server"), maxName), said)
	if pong.Answered {
		v.RoundTrip = pong.RoundTrip()
	}
	if s := pong.Session; s != nil {
		v.Encrypted = s.Secure
		if s.Authentication == "EXTERNAL" || s.Authentication == "dialback" {
			v.Authentication = s.Authentication
		}
	}
	return v
}

// UndisclosedPing is the verdict on a ping whose failure a [Discretion] hides.
func UndisclosedPing(t PeerTarget) PeerVerdict {
	return t.verdict(undisclosedPeer, "", "")
}

// verdict tells the cause, with us for our domains. What to do is never cut; what is wrong may be.
func (t PeerTarget) verdict(c cause, us, said string) PeerVerdict {
	at, route := "", phrase.Clean(t.Route, maxName)
	if route != "" {
		at = " at " + route
	}
	if said != "" {
		said = " (" + said + ")"
	}
	words := strings.NewReplacer("{peer}", phrase.Clean(t.Domain, maxName), "{us}", us, "{route}", route, "{at}", at, "{said}", said)
	fix := words.Replace(c.fix)
	if fix != "" {
		fix = ". " + fix
	}
	status := statusFor(c.reason)
	if status != metav1.ConditionTrue {
		fix += tag(c.id)
	}
	return PeerVerdict{
		ID: c.id, Status: status, Reason: c.reason,
		Message: phrase.Clean(words.Replace(c.what), maxPeerMessage-len(fix)) + fix,
	}
}

// statusFor is what a reason says about reachability.
func statusFor(reason string) metav1.ConditionStatus {
	switch reason {
	case v1alpha1.ReasonPeerReachable:
		return metav1.ConditionTrue
	case v1alpha1.ReasonPeerDenied, v1alpha1.ReasonNotChecked:
		return metav1.ConditionUnknown
	}
	return metav1.ConditionFalse
}
