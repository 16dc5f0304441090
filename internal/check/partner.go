// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// Hosted asks a service whether it hosts one of our domains, see Conflict. The check is HostedThere for a partner, and
// HostedAnywhere for a service that is none.
func (c *Checker) Hosted(ctx context.Context, id ID, t ConflictTarget) Result {
	r := passed(id, "", "its server refuses streams to "+phrase.List(t.Domains, maxRecords)+", as it should")
	r.Domain, r.From = t.Service, Here
	switch conflicts, err := c.Conflict(ctx, t); {
	case err != nil:
		r.Mark, r.Words = Skip, "its server could not be asked ("+phrase.Clean(err.Error(), maxRecord)+")"
	case len(conflicts) > 0:
		verdict := HostedVerdict(PeerTarget{Domain: t.Service}, conflicts)
		r.Mark, r.Reason = Fail, verdict.Reason
		r.Words, r.Fix = split(verdict.Message)
		for _, conflict := range conflicts {
			r.Evidence = append(r.Evidence, conflict.Server+" opens a stream to "+conflict.Domain)
		}
	}
	return safe(r)
}

// split parts a partner's message in what is wrong and what to do, without the check's name.
func split(message string) (words, fix string) {
	if i := strings.LastIndex(message, " ["); i > 0 {
		message = message[:i]
	}
	i := strings.LastIndex(message, ". ")
	if i < 0 {
		return message, ""
	}
	return message[:i], message[i+2:]
}

// pingStep is a check that a ping makes, with the stage of the ping that it belongs to.
type pingStep struct {
	id    ID
	stage engine.Stage
	words string
}

// ofPing are the checks that a ping makes, in their order.
var ofPing = []pingStep{
	{PartnerRecords, engine.StageResolve, "the server finds it in the DNS"},
	{PartnerTCP, engine.StageConnect, "the server connects to it"},
	{StreamOpens, engine.StageStream, "a stream opens"},
	{EncryptionKept, engine.StageTLS, "encryption is as the policy demands"},
	{Handshake, engine.StageTLS, "TLS works"},
	{Certificate, engine.StageTLS, "its certificate is as the policy demands"},
	{AsksForOurs, engine.StageAuthenticate, "it takes our certificate as proof"},
	{External, engine.StageAuthenticate, "our domain is proven by certificate (SASL EXTERNAL)"},
	{DialbackOffer, engine.StageAuthenticate, "it offers dialback"},
	{DialbackCall, engine.StageAuthenticate, "our domain is proven by dialback, so it can call us back"},
	{RefusedAsOwn, engine.StageAuthenticate, "it does not take our domain for its own"},
	{Policy, engine.StageAuthenticate, "no policy is in the way"},
	{RoundTrip, engine.StageAnswer, "it answers a ping"},
}

// PingResults are the checks that the server made by pinging a partner from its own position.
func PingResults(t PeerTarget, pong engine.Pong) []Result {
	verdict := JudgePing(t, pong)
	at := slices.IndexFunc(ofPing, func(step pingStep) bool { return step.id == verdict.ID })
	results := make([]Result, 0, len(ofPing))
	for i, step := range ofPing {
		r := passed(step.id, "", step.words)
		switch {
		case verdict.ID == "":
			r.Mark, r.Words = Skip, verdict.Message
		case verdict.Status != metav1.ConditionTrue && i == at:
			r = failedPing(verdict)
		case verdict.Status != metav1.ConditionTrue && (i > at || later(step.stage, pong.Stage)):
			r = hidden(verdict.ID, "", step.id)[0]
		default:
			r = t.reached(r, verdict, pong)
		}
		r.Domain, r.From = t.Domain, Cluster
		results = append(results, safe(r))
	}
	return results
}

// later tells whether a stage comes after the one where a ping ended, or would have to.
func later(stage, end engine.Stage) bool {
	order := []engine.Stage{
		engine.StageResolve, engine.StageConnect, engine.StageStream, engine.StageTLS, engine.StageAuthenticate, engine.StageAnswer,
	}
	return slices.Index(order, stage) > slices.Index(order, end)
}

func failedPing(v PeerVerdict) Result {
	r := Result{ID: v.ID, Mark: Fail, Reason: v.Reason}
	if v.Reason == v1alpha1.ReasonPeerDenied {
		r.Mark = Warn
	}
	r.Words, r.Fix = split(v.Message)
	return r
}

// reached tells a step that did not fail from one that was not taken: of the proofs only one is.
func (t PeerTarget) reached(r Result, v PeerVerdict, pong engine.Pong) Result {
	var session engine.Session
	if pong.Session != nil {
		session = *pong.Session
	}
	byCertificate := v.Authentication == "EXTERNAL"
	switch r.ID {
	case PartnerRecords:
		if t.Route != "" {
			r.Words = "its route is set in spec.peers"
		}
	case EncryptionKept:
		if pong.Session == nil {
			return skipped(r.ID, "", "the server keeps no stream that would tell")
		}
		if !session.Secure {
			r.Words = "the stream is not encrypted, which the policy allows"
		}
	case Handshake, Certificate:
		if !session.Secure {
			return skipped(r.ID, "", "the stream is not encrypted, or not known")
		}
		if r.ID == Handshake && session.TLSVersion != "" {
			r.Words = session.TLSVersion
		}
		if r.ID == Certificate && pong.CertificateTrouble != "" {
			r.Words = "the server sees trouble (" + phrase.Clean(pong.CertificateTrouble, maxSaid) + "), which the policy allows"
		}
	case AsksForOurs, External:
		if !byCertificate {
			return skipped(r.ID, "", "dialback was used, or nothing yet")
		}
	case DialbackOffer, DialbackCall:
		if v.Authentication != "dialback" {
			return skipped(r.ID, "", "a certificate was used, or nothing yet")
		}
	case RoundTrip:
		r.Words = fmt.Sprintf("%s answers a ping, in %s", t.Domain, v.RoundTrip.Round(time.Millisecond))
	default:
	}
	return r
}
