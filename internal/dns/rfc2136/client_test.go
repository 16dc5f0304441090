// SPDX-License-Identifier: Apache-2.0

package rfc2136_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
)

const keyName = dnstest.FedKey + "."

func serverConfig(servers ...string) rfc2136.Config {
	return rfc2136.Config{Zone: "cupdomain.com", Servers: servers, KeyName: dnstest.FedKey, Secret: dnstest.FedSecret, Timeout: 5 * time.Second}
}

func newClient(t *testing.T, cfg rfc2136.Config) *rfc2136.Client {
	t.Helper()
	c, err := rfc2136.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve answers every request as the handler says, and returns the address.
func serve(t *testing.T, handler miekg.HandlerFunc) string {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", dnstest.FreePort(t, "127.0.0.1"))
	dnstest.Serve(t, address, handler, map[string]string{keyName: dnstest.FedSecret})
	return address
}

// reply to a request with a response code, signed if so told.
func reply(r *miekg.Msg, rcode int, sign bool) *miekg.Msg {
	m := new(miekg.Msg)
	m.SetRcode(r, rcode)
	m.Authoritative = true
	if sign {
		m.SetTsig(keyName, miekg.HmacSHA256, 300, time.Now().Unix())
	}
	return m
}

var anyChange = dns.Change{Drop: []dns.Key{{Name: "cup1.cupdomain.com.", Type: dns.TypeA}}}

func TestNewNamesTheFieldThatIsWrong(t *testing.T) {
	tests := map[string]struct {
		change func(*rfc2136.Config)
		field  string
	}{
		"A secret that is not in base64":  {func(c *rfc2136.Config) { c.Secret = "not base64!" }, "secret"},
		"No secret":                       {func(c *rfc2136.Config) { c.Secret = "" }, "secret"},
		"An algorithm that is not strong": {func(c *rfc2136.Config) { c.Algorithm = "hmac-md5" }, "algorithm"},
		"No servers":                      {func(c *rfc2136.Config) { c.Servers = nil }, "servers"},
		"A server without port":           {func(c *rfc2136.Config) { c.Servers = []string{"203.0.113.53"} }, "servers"},
		"No zone":                         {func(c *rfc2136.Config) { c.Zone = "" }, "zone"},
		"A key name with an empty label":  {func(c *rfc2136.Config) { c.KeyName = "a..b" }, "keyName"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := serverConfig("127.0.0.1:53")
			test.change(&cfg)
			_, err := rfc2136.New(cfg)
			if err == nil || !strings.HasPrefix(err.Error(), test.field+":") {
				t.Errorf("got error %v, want one about %s", err, test.field)
			}
			if cfg.Secret != "" && strings.Contains(fmt.Sprint(err), cfg.Secret) {
				t.Errorf("error %v gives away the secret", err)
			}
		})
	}
}

func TestAnswersThatCanBeForgedAreRefused(t *testing.T) {
	wrong := base64.StdEncoding.EncodeToString([]byte("the secret of somebody else"))
	tests := map[string]miekg.HandlerFunc{
		"An unsigned success": func(w miekg.ResponseWriter, r *miekg.Msg) { _ = w.WriteMsg(reply(r, miekg.RcodeSuccess, false)) },
		"An unsigned refusal of a prerequisite": func(w miekg.ResponseWriter, r *miekg.Msg) {
			_ = w.WriteMsg(reply(r, miekg.RcodeYXRrset, false))
		},
		"An unsigned denial of existence": func(w miekg.ResponseWriter, r *miekg.Msg) {
			_ = w.WriteMsg(reply(r, miekg.RcodeNameError, false))
		},
		"A success signed with another secret": func(w miekg.ResponseWriter, r *miekg.Msg) {
			raw, _, err := miekg.TsigGenerate(reply(r, miekg.RcodeSuccess, true), wrong, r.IsTsig().MAC, false)
			if err == nil {
				_, _ = w.Write(raw)
			}
		},
		"A success signed for another request": func(w miekg.ResponseWriter, r *miekg.Msg) {
			raw, _, err := miekg.TsigGenerate(reply(r, miekg.RcodeSuccess, true), dnstest.FedSecret, strings.Repeat("00", 32), false)
			if err == nil {
				_, _ = w.Write(raw)
			}
		},
		"A success to another request": func(w miekg.ResponseWriter, r *miekg.Msg) {
			m := reply(r, miekg.RcodeSuccess, false)
			m.Id++
			_ = w.WriteMsg(m)
		},
		"A success signed with a key of another name": func(w miekg.ResponseWriter, r *miekg.Msg) {
			m := reply(r, miekg.RcodeSuccess, false)
			m.SetTsig("other-key.", miekg.HmacSHA256, 300, time.Now().Unix())
			raw, _, err := miekg.TsigGenerate(m, dnstest.FedSecret, r.IsTsig().MAC, false)
			if err == nil {
				_, _ = w.Write(raw)
			}
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, serverConfig(serve(t, handler)))
			_, err := c.Get(context.Background(), dns.Key{Name: "cupdomain.com.", Type: dns.TypeSRV})
			for _, err := range []error{c.Apply(context.Background(), anyChange), c.Probe(context.Background()), err} {
				e, ok := dns.AsError(err)
				if !ok || e.Reason != v1alpha1.ReasonUnauthenticatedResponse {
					t.Errorf("got %v, want UnauthenticatedResponse", err)
				}
			}
		})
	}
}

func TestResponseCodesToUpdatesBecomeReasons(t *testing.T) {
	tests := []struct {
		rcode     int
		reason    string
		permanent bool
	}{
		{miekg.RcodeFormatError, v1alpha1.ReasonUpdateRejected, true},
		{miekg.RcodeNotImplemented, v1alpha1.ReasonUpdateRejected, true},
		{miekg.RcodeRefused, v1alpha1.ReasonUpdateRefused, true},
		{miekg.RcodeNotAuth, v1alpha1.ReasonNotAuthoritative, true},
		{miekg.RcodeNotZone, v1alpha1.ReasonNameOutsideZone, true},
		{miekg.RcodeServerFailure, v1alpha1.ReasonServerUnavailable, false},
	}
	for _, test := range tests {
		for _, signed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s signed %t", miekg.RcodeToString[test.rcode], signed), func(t *testing.T) {
				c := newClient(t, serverConfig(serve(t, func(w miekg.ResponseWriter, r *miekg.Msg) {
					m := reply(r, test.rcode, false)
					m.SetEdns0(1232, false)
					m.IsEdns0().Option = append(m.IsEdns0().Option, &miekg.EDNS0_EDE{InfoCode: miekg.ExtendedErrorCodeProhibited, ExtraText: "ask the\nadmin"})
					if signed {
						m.SetTsig(keyName, miekg.HmacSHA256, 300, time.Now().Unix())
					}
					_ = w.WriteMsg(m)
				})))
				e, ok := dns.AsError(c.Apply(context.Background(), anyChange))
				if !ok || e.Reason != test.reason || e.Permanent != test.permanent || e.Unsettled {
					t.Fatalf("got %+v, want reason %s, permanent %t", e, test.reason, test.permanent)
				}
				if !strings.Contains(e.Message, "the server says: Prohibited ask theadmin") {
					t.Errorf("message %q lacks what the server says", e.Message)
				}
				if strings.Contains(e.Message, "not signed") == signed {
					t.Errorf("message %q is wrong about the signature", e.Message)
				}
			})
		}
	}
}

func TestSignedRefusalsOfPrerequisitesAreToldFromFailures(t *testing.T) {
	for _, rcode := range []int{miekg.RcodeYXRrset, miekg.RcodeNXRrset, miekg.RcodeYXDomain, miekg.RcodeNameError} {
		c := newClient(t, serverConfig(serve(t, func(w miekg.ResponseWriter, r *miekg.Msg) { _ = w.WriteMsg(reply(r, rcode, true)) })))
		if err := c.Apply(context.Background(), anyChange); !errors.Is(err, dns.ErrPrerequisite) {
			t.Errorf("%s: got %v, want ErrPrerequisite", miekg.RcodeToString[rcode], err)
		}
	}
}

func TestAnswersWithoutAuthorityAreRefused(t *testing.T) {
	c := newClient(t, serverConfig(serve(t, func(w miekg.ResponseWriter, r *miekg.Msg) {
		m := reply(r, miekg.RcodeSuccess, true)
		m.Authoritative = false
		_ = w.WriteMsg(m)
	})))
	e, ok := dns.AsError(c.Probe(context.Background()))
	if !ok || e.Reason != v1alpha1.ReasonNotAuthoritative {
		t.Errorf("got %v, want NotAuthoritative", e)
	}
}

func TestAServerThatNeverAnswersCostsOneTimeoutPerServer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cfg := serverConfig(silent.Addr().String(), silent.Addr().String())
	cfg.Timeout = 500 * time.Millisecond
	c := newClient(t, cfg)
	for what, err := range map[string]error{"probing": c.Probe(context.Background()), "updating": c.Apply(context.Background(), anyChange)} {
		e, ok := dns.AsError(err)
		if !ok || e.Reason != v1alpha1.ReasonServerUnavailable || e.Unsettled || !strings.Contains(e.Message, "does not answer in time") {
			t.Errorf("%s: got %+v, want ServerUnavailable as there is no answer in time, and nothing was sent", what, e)
		}
	}
}

// guarding answers what a server is asked once, whether it checks prerequisites, and hands on all else.
func guarding(handler miekg.HandlerFunc) miekg.HandlerFunc {
	return func(w miekg.ResponseWriter, r *miekg.Msg) {
		if r.Opcode == miekg.OpcodeUpdate && len(r.Ns) == 0 {
			_ = w.WriteMsg(reply(r, miekg.RcodeYXRrset, true))
			return
		}
		handler(w, r)
	}
}

func TestAnUpdateThatWasNotAnsweredIsUnsettledAndTheNextTryGoesToTheNextServer(t *testing.T) {
	losing := serve(t, guarding(func(miekg.ResponseWriter, *miekg.Msg) {}))
	good := serve(t, guarding(func(w miekg.ResponseWriter, r *miekg.Msg) { _ = w.WriteMsg(reply(r, miekg.RcodeSuccess, true)) }))
	cfg := serverConfig(losing, good)
	cfg.Timeout = 500 * time.Millisecond
	c := newClient(t, cfg)
	e, ok := dns.AsError(c.Apply(context.Background(), anyChange))
	if !ok || !e.Unsettled {
		t.Errorf("got %+v, want an update of which nobody knows whether it was applied", e)
	}
	if err := c.Apply(context.Background(), anyChange); err != nil {
		t.Errorf("got %v, want that the second server took the update", err)
	}
}

func TestCancellingEndsAnExchangeAtOnce(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cfg := serverConfig(silent.Addr().String())
	cfg.Timeout = time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		cancel()
		return (&net.Dialer{}).DialContext(context.WithoutCancel(ctx), network, address)
	}
	if err := newClient(t, cfg).Probe(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context was cancelled", err)
	}
}

// script makes connections on which the same bytes come back whatever is sent.
func script(answer []byte) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			buf := make([]byte, 1<<16)
			if _, err := far.Read(buf); err != nil {
				return
			}
			_ = far.SetDeadline(time.Now().Add(time.Second))
			// The answer takes over the request's identifier, to get further.
			if len(answer) >= 4 {
				copy(answer[2:4], buf[2:4])
			}
			_, _ = far.Write(answer)
		}()
		return near, nil
	}
}

func FuzzNoAnswerWithoutSignatureIsASuccess(f *testing.F) {
	for _, rcode := range []int{miekg.RcodeSuccess, miekg.RcodeRefused, miekg.RcodeNotAuth, miekg.RcodeYXRrset} {
		for _, sign := range []bool{true, false} {
			r := new(miekg.Msg)
			r.SetQuestion("cupdomain.com.", miekg.TypeSOA)
			raw, err := reply(r, rcode, sign).Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		framed := append([]byte{byte(len(raw) >> 8), byte(len(raw))}, raw...)
		cfg := serverConfig("203.0.113.53:53")
		cfg.Dial = script(framed)
		c := newClient(t, cfg)
		if err := c.Apply(context.Background(), anyChange); err == nil || errors.Is(err, dns.ErrPrerequisite) {
			t.Errorf("update: got %v although nothing was signed with the key", err)
		}
		if sets, err := c.Get(context.Background(), dns.Key{Name: "cupdomain.com.", Type: dns.TypeSRV}); err == nil {
			t.Errorf("query: got %v although nothing was signed with the key", sets)
		}
	})
}

func TestAnUpdateThatDoesNotFitIntoAMessageIsNotSent(t *testing.T) {
	c := newClient(t, serverConfig(serve(t, guarding(func(miekg.ResponseWriter, *miekg.Msg) {}))))
	var change dns.Change
	for i := range 5000 {
		change.Drop = append(change.Drop, dns.Key{Name: fmt.Sprintf("host-%d.department-%d.cupdomain.com.", i, i), Type: dns.TypeA})
	}
	if err := c.Apply(context.Background(), change); !errors.Is(err, dns.ErrTooLarge) {
		t.Errorf("got %v, want that it is too large", err)
	}
}
