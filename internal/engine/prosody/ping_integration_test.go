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
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
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

// pingCase is a partner that is set up in one way, and what a ping has to say of it; Failure is a regular expression.
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
		"insists.example": {
			func(p *prosodytest.Partner) { p.Legacy, p.TLSInsists = false, true }, plain,
			engine.Pong{Condition: "policy-violation", Stage: engine.StageTLS, Sent: &engine.StreamError{
				Condition: "policy-violation",
				Text:      "insists.example insists on encryption (TLS), which the policy of cupdomain.com does not allow",
			}},
		},
		"listens-to-others.example": {
			func(p *prosodytest.Partner) { p.Answer, p.Reply = streamError("invalid-from", "not you"), nil }, strict,
			engine.Pong{Stage: engine.StageAnswer, Received: &engine.StreamError{Condition: "invalid-from", Text: "not you"}},
		},
		"no-tls.example":     {func(p *prosodytest.Partner) { p.Certificate = nil }, strict, noEncryption("no-tls.example")},
		"old.example":        {func(p *prosodytest.Partner) { p.Legacy = true }, strict, noEncryption("old.example")},
		"turns-down.example": {dialback("invalid", true), strict, refusedWith("dialback: invalid", false)},
		"hosts-us.example":   {dialback("invalid", false), strict, refusedWith("dialback: invalid", true)},
		"fails.example":      {dialback("error", true), strict, refusedWith("dialback: item-not-found", false)},
		"rejects-us.example": {func(p *prosodytest.Partner) { p.RefuseExternal = true }, strict, engine.Pong{
			Condition: "remote-server-timeout", Stage: engine.StageAuthenticate, Failure: "^EXTERNAL: not-authorized$",
		}},
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
		"refuses.example": {want: engine.Pong{
			Condition: "remote-server-not-found", Stage: engine.StageConnect, Failure: "onnection refused",
		}},
		"nowhere.example": {want: engine.Pong{
			Condition: "remote-server-not-found", Stage: engine.StageResolve, Failure: "unable to resolve service|NXDomain in address lookup",
		}},
		"dangling.example": {want: engine.Pong{
			Condition: "remote-server-not-found", Stage: engine.StageResolve, Failure: "unable to resolve service|NXDomain in address lookup",
		}},
		"silent.example": {func(p *prosodytest.Partner) { p.Answer = "" }, strict, engine.Pong{
			Stage: engine.StageAnswer, Failure: "timeout",
		}},
	}
}

func TestPingTellsWhatBecameOfIt(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			refuses := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(closedPort(t))}
			r.UseNameServer(t,
				record(t, "_xmpp-server._tcp.refuses.example. 1 IN SRV 0 0 %d xmpp.refuses.example.", refuses.Port),
				record(t, "xmpp.refuses.example. 1 IN A %s", refuses.IP),
				record(t, "_xmpp-server._tcp.dangling.example. 1 IN SRV 0 0 5269 gone.dangling.example."),
			)
			cases := pingCases(t, r)
			for name, test := range cases {
				if test.policy.Access == "" {
					continue
				}
				p := r.partner(t, name, test.policy)
				if test.change != nil {
					test.change(p)
				}
				r.peer(p.Listen(t), test.policy)
			}
			r.adjust = func(files map[string]string) { // both limits take half a minute
				for name, change := range map[string][2]string{
					"prosody.cfg.lua":      {"s2s_timeout = 30", "s2s_timeout = 3"},
					"mod_xmppfed_ping.lua": {"time_limit = 35", "time_limit = 5"},
				} {
					r.Expect(files[name]).To(ContainSubstring(change[0]))
					files[name] = strings.Replace(files[name], change[0], change[1], 1)
				}
			}
			r.mountConfig(t)
			r.Start(t)
			for name, got := range r.pingAll(cases) {
				r.expectPong(name, got, cases[name].want)
			}
		})
	}
}

func (r *rig) expectPong(name string, got, want engine.Pong) {
	r.Expect(got.Seconds).To(And(BeNumerically(">", 0), BeNumerically("<", 10)), name)
	r.Expect(got.Session != nil).To(Equal(want.Stage == engine.StageAnswer && want.Received == nil), "session of %s: %+v", name, got)
	r.Expect(got.Failure).To(MatchRegexp(want.Failure), "%s: %+v", name, got)
	r.Expect(got.Failure == "").To(Equal(want.Failure == ""), "%s: %+v", name, got)
	if !got.Answered && want.Text == "" {
		got.Text = "" // says again what the other fields hold
	}
	if got.Sent != nil && got.CertificateTrouble != "" {
		got.Sent.Text = want.Sent.Text // 0.12 doesn't know a self-signed certificate when it sees one
	}
	if got.Stage == engine.StageConnect || got.Stage == engine.StageStream {
		r.Expect(got.Addresses).To(And(Not(BeEmpty()), HaveEach("127.0.0.1")), name)
	}
	r.Expect(got.Addresses).NotTo(BeNil(), name)
	got.Seconds, got.Session, got.Failure, got.Addresses = want.Seconds, want.Session, want.Failure, nil
	r.Expect(got).To(Equal(want), name)
}

// record is one of the DNS.
func record(t *testing.T, format string, args ...any) dns.RR {
	rr, err := dns.NewRR(fmt.Sprintf(format, args...))
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

// pingAll pings all partners at once.
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

func TestServerBoundsThePingsItHasUnderWay(t *testing.T) {
	const limit = 128
	each(t, func(t *testing.T, r *rig) {
		silent := r.partner(t, "silent.example", strict)
		silent.Answer = ""
		r.peer(silent.Listen(t), strict)
		r.peer(r.partner(t, partner, strict).Listen(t), strict)
		r.deliverConfig(t)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		var refused atomic.Int32
		for range limit + 10 {
			wg.Go(func() {
				_, err := engine.Ping(ctx, "127.0.0.1", token, domain, "silent.example")
				if err != nil && strings.Contains(err.Error(), "503") {
					refused.Add(1)
				}
			})
		}
		r.Eventually(refused.Load).Should(Equal(int32(10)))
		cancel()
		wg.Wait()
		r.Eventually(func() error {
			_, err := engine.Ping(context.Background(), "127.0.0.1", token, domain, partner)
			return err
		}).Should(Succeed(), "those that nobody waits for any longer are forgotten")
	})
}
