// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// streamError is what a partner sends that closes a stream.
func streamError(condition, text string) string {
	const xmlns = "xmlns='urn:ietf:params:xml:ns:xmpp-streams'"
	return fmt.Sprintf("<stream:error><%s %s/><text %s>%s</text></stream:error>", condition, xmlns, xmlns, text)
}

// pingCase is a partner that is set up in one way, and what a ping has to say of it.
type pingCase struct {
	change func(p *prosodytest.Partner)
	policy v1alpha1.PeerPolicy
	want   engine.Pong
}

func pingCases(t *testing.T, r *rig) map[string]pingCase {
	serve := func(pair tls.Certificate) func(*prosodytest.Partner) {
		return func(p *prosodytest.Partner) { p.Certificate = &pair }
	}
	dialback := func(kind string, ask bool) func(*prosodytest.Partner) {
		return func(p *prosodytest.Partner) { p.External, p.Dialback, p.Ask = false, kind, ask }
	}
	notAuthorized := func(text string) *engine.StreamError {
		return &engine.StreamError{Condition: "not-authorized", Text: "Your server's certificate " + text}
	}
	refused := engine.Pong{Condition: "remote-server-timeout", Stage: engine.StageAuthenticate}
	refusedWith := func(failure string, unasked bool) engine.Pong {
		pong := refused
		pong.Failure, pong.Unasked = failure, unasked
		pong.Sent = &engine.StreamError{Condition: "not-authorized"}
		return pong
	}
	certificate := func(trouble, text string) engine.Pong {
		return engine.Pong{
			Condition: "remote-server-timeout", Stage: engine.StageTLS, CertificateTrouble: trouble, Sent: notAuthorized(text),
		}
	}
	noEncryption := func(name string) engine.Pong {
		return engine.Pong{
			Condition: "policy-violation", Stage: engine.StageTLS, Sent: &engine.StreamError{
				Condition: "policy-violation",
				Text:      name + " offers no encryption (TLS), which the policy of cupdomain.com requires",
			},
		}
	}
	received := func(stage engine.Stage, condition, text string) engine.Pong {
		return engine.Pong{
			Condition: "remote-server-timeout", Stage: stage, Received: &engine.StreamError{Condition: condition, Text: text},
		}
	}
	return map[string]pingCase{
		"answers.example": {nil, strict, engine.Pong{Answered: true, Stage: engine.StageAnswer}},
		"complains.example": {func(p *prosodytest.Partner) { p.Answer = unavailable }, strict, engine.Pong{
			Answered: true, Stage: engine.StageAnswer, Condition: "service-unavailable", Text: "nobody here",
		}},
		"legacy.example": {nil, plain, engine.Pong{Answered: true, Stage: engine.StageAnswer}},
		"unknown.example": {
			func(p *prosodytest.Partner) { p.Greeting = streamError("host-unknown", "not here") }, strict,
			received(engine.StageStream, "host-unknown", "not here"),
		},
		"conflict.example": {
			func(p *prosodytest.Partner) {
				p.Greeting = streamError("undefined-condition", "Attempt to connect from a host we serve")
			}, strict, received(engine.StageStream, "undefined-condition", "Attempt to connect from a host we serve"),
		},
		"expired.example":   {serve(r.ca.ExpiredKeyPair(t, "expired.example")), strict, certificate("expired", "has expired")},
		"untrusted.example": {serve(prosodytest.NewCA(t).KeyPair(t, "untrusted.example")), strict, certificate("untrusted", "is not trusted")},
		"self-signed.example": {
			serve(prosodytest.SelfSignedKeyPair(t, "self-signed.example")), strict, certificate("self-signed", "is self-signed"),
		},
		"misnamed.example": {
			serve(r.ca.KeyPair(t, "other.example")), strict, certificate("wrong name", "is not valid for this name"),
		},
		"tls-only.example": {
			func(p *prosodytest.Partner) { p.Legacy, p.TLSRequired = false, true }, plain,
			received(engine.StageAuthenticate, "policy-violation", "Use of STARTTLS required"),
		},
		"no-tls.example":     {func(p *prosodytest.Partner) { p.Certificate = nil }, strict, noEncryption("no-tls.example")},
		"old.example":        {func(p *prosodytest.Partner) { p.Legacy = true }, strict, noEncryption("old.example")},
		"turns-down.example": {dialback("invalid", true), strict, refusedWith("dialback: invalid", false)},
		"hosts-us.example":   {dialback("invalid", false), strict, refusedWith("dialback: invalid", true)},
		"fails.example":      {dialback("error", true), strict, refusedWith("dialback: item-not-found", false)},
		"old-tls.example": {func(p *prosodytest.Partner) { p.OldTLS = true }, strict, engine.Pong{
			Condition: "remote-server-timeout", Stage: engine.StageTLS, Failure: "protocol version",
		}},
		"hangs-up.example": {func(p *prosodytest.Partner) { p.HangUp = true }, strict, engine.Pong{
			Condition: "remote-server-not-found", Stage: engine.StageStream, Failure: "closed",
		}},
		"denied.example": {nil, deny, engine.Pong{
			Condition: "not-allowed", Text: "policy of cupdomain.com does not allow federation with denied.example",
		}},
		"mute.example": {func(p *prosodytest.Partner) { p.Mute = true }, strict, engine.Pong{
			Condition: "remote-server-not-found", Stage: engine.StageStream, Sent: &engine.StreamError{Condition: "connection-timeout"},
		}},
		"silent.example": {func(p *prosodytest.Partner) { p.Answer = "" }, strict, engine.Pong{
			Stage: engine.StageAnswer, Failure: "timeout",
		}},
	}
}

func TestPingTellsWhatBecameOfIt(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		cases := pingCases(t, r)
		for name, test := range cases {
			p := r.partner(t, name, test.policy)
			if test.change != nil {
				test.change(p)
			}
			r.peer(p.Listen(t), test.policy)
		}
		cases["refuses.example"] = pingCase{want: engine.Pong{
			Condition: "remote-server-not-found", Stage: engine.StageConnect, Failure: "onnection refused",
		}}
		r.input.Peers = append(r.input.Peers, engine.Peer{
			Domain: "refuses.example", Policy: strict, Route: &engine.Route{Host: "127.0.0.1", Port: closedPort(t)},
		})
		cases["nowhere.example"] = pingCase{want: engine.Pong{
			Condition: "remote-server-not-found", Stage: engine.StageResolve, Failure: "unable to resolve service",
		}}
		r.deliverConfig(t)

		for name, got := range r.pingAll(cases) {
			want := cases[name].want
			r.Expect(got.Seconds).To(And(BeNumerically(">", 0), BeNumerically("<", 40)), name)
			r.Expect(got.Session != nil).To(Equal(want.Stage == engine.StageAnswer), "session of %s: %+v", name, got)
			r.Expect(got.Failure).To(ContainSubstring(want.Failure), "%s: %+v", name, got)
			if !got.Answered && want.Text == "" {
				got.Text = "" // says again what the other fields hold
			}
			got.Seconds, got.Session = 0, nil
			got.Failure = want.Failure
			r.Expect(got).To(Equal(want), name)
		}
	})
}

// pingAll pings all partners at once, because some take half a minute to fail.
func (r *rig) pingAll(cases map[string]pingCase) map[string]engine.Pong {
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[string]engine.Pong{}
	for name := range cases {
		wg.Go(func() {
			answer, err := engine.Ping(context.Background(), "127.0.0.1", token, domain, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				answer.Text = err.Error()
			}
			got[name] = answer
		})
	}
	wg.Wait()
	return got
}

// closedPort is one that nobody listens on.
func closedPort(t *testing.T) uint16 {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

func TestPingIsForTheOperatorOnlyAndBetweenOurDomainsAndOthers(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for name, test := range map[string]struct{ token, from, to, want string }{
			"no token":                 {"", domain, partner, "401"},
			"another token":            {strings.ToUpper(token), domain, partner, "401"},
			"from a domain of others":  {token, partner, "other.example", "400"},
			"to a domain of ours":      {token, domain, "conference." + domain, "400"},
			"to nobody":                {token, domain, "", "400"},
			"to somebody at a domain":  {token, domain, "jdoe1@" + partner, "400"},
			"to a resource":            {token, domain, partner + "/x", "400"},
			"to what is no domain":     {token, domain, "a\x00b", "400"},
			"from somebody of ours":    {token, "cupuser1@" + domain, partner, "400"},
			"with markup in the names": {token, domain, "<a/>", "400"},
		} {
			_, err := engine.Ping(context.Background(), "127.0.0.1", test.token, test.from, test.to)
			r.Expect(err).To(MatchError(ContainSubstring(test.want)), name)
		}
	})
}
