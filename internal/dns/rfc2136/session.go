// SPDX-License-Identifier: Apache-2.0

package rfc2136

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// fudge in seconds is by how much clocks may differ (RFC 8945 section 10).
const fudge = 300

// key is a TSIG key.
type key struct {
	// name is canonical, algorithm is the library's constant, secret is in base64.
	name, algorithm, secret string
}

// session is a connection to one server. It lives no longer than the call that ctx belongs to.
type session struct {
	ctx    context.Context
	client *Client
	server string
	conn   net.Conn
}

// attempt calls do with a session at one server after the other, until one works. The next call begins with that one: a
// server that failed would cost a timeout every time, and one that loses answers to updates would never be left.
func (c *Client) attempt(ctx context.Context, do func(*session) error) error {
	servers := c.cfg.Servers
	troubles := make([]string, len(servers))
	var last *dns.Error
	first := int(c.first.Load())
	for n := range servers {
		i := (first + n) % len(servers)
		err := c.attemptAt(ctx, servers[i], do)
		e, ok := dns.AsError(err)
		if !ok || e.Reason != v1alpha1.ReasonServerUnavailable {
			if ok {
				// It may be a secondary, listed by mistake, so it must not be the one that is held on to.
				c.first.Store(0)
			}
			return err
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		c.first.Store(int32((i + 1) % len(servers)))
		if e.Unsettled {
			return err
		}
		troubles[i], last = e.Message, e
	}
	return c.unavailable(troubles, last.Err)
}

func (c *Client) attemptAt(ctx context.Context, server string, do func(*session) error) error {
	dialCtx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	conn, err := c.cfg.Dial(dialCtx, "tcp", server)
	if err != nil {
		return trouble(server, err)
	}
	defer conn.Close()
	// An expired deadline wakes up whoever reads or writes.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	return do(&session{ctx: ctx, client: c, server: server, conn: conn})
}

// trouble is an error about one server; attempt puts those of all servers together.
func trouble(server string, err error) *dns.Error {
	return &dns.Error{
		Reason:  v1alpha1.ReasonServerUnavailable,
		Message: server + " " + wire.Trouble(err),
		Err:     err,
	}
}

// exchange signs a message, sends it, and returns the answer once its signature is verified. The signature is made
// here, from scratch, for each message: the library's connection type keeps the one before and then signs wrongly.
func (s *session) exchange(m *miekg.Msg) (*miekg.Msg, error) {
	c := s.client
	m.SetTsig(c.key.name, c.key.algorithm, fudge, c.cfg.Now().Unix())
	request, mac, err := miekg.TsigGenerate(m, c.key.secret, "", false)
	if err != nil || len(request) > miekg.MaxMsgSize {
		return nil, errors.Join(dns.ErrTooLarge, err)
	}
	raw, err := s.carry(request)
	if err != nil {
		return nil, trouble(s.server, err)
	}
	answer := new(miekg.Msg)
	if err := answer.Unpack(raw); err != nil {
		return nil, trouble(s.server, err)
	}
	return answer, s.authenticate(m, answer, raw, mac)
}

// carry sends a message and receives one (RFC 1035 section 4.2.2).
func (s *session) carry(request []byte) ([]byte, error) {
	deadline := time.Now().Add(s.client.cfg.Timeout)
	if err := s.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	// The deadline may have overwritten the one that was set when ctx ended.
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, len(request)+2), uint16(len(request)))
	if _, err := s.conn.Write(append(framed, request...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(s.conn, length[:]); err != nil {
		return nil, err
	}
	raw := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(s.conn, raw)
	return raw, err
}

// authenticate accepts the answer if the server signed it. Errors that a server can't sign, or that the library can't
// verify, are accepted as such: they are never taken for a success.
func (s *session) authenticate(request, answer *miekg.Msg, raw []byte, requestMAC string) error {
	signature := answer.IsTsig()
	switch {
	case answer.Id != request.Id || !answer.Response || answer.Opcode != request.Opcode:
		return s.unauthenticated("an answer to another question")
	case s.keyUnfit(request, answer):
		return nil
	case signature != nil && signature.Error != miekg.RcodeSuccess:
		return s.signatureRefused(signature)
	case signature == nil && decides(answer.Rcode):
		return s.unauthenticated("an unsigned answer")
	case signature == nil || answer.Rcode == miekg.RcodeNotAuth:
		return nil
	case dns.Canonical(signature.Hdr.Name) != s.client.key.name || !strings.EqualFold(signature.Algorithm, s.client.key.algorithm):
		return s.unauthenticated("an answer signed with another key")
	}
	err := miekg.TsigVerify(raw, s.client.key.secret, requestMAC, false)
	if errors.Is(err, miekg.ErrTime) {
		return s.clockSkew(time.Unix(int64(signature.TimeSigned), 0))
	}
	if err != nil {
		return s.unauthenticated("an answer with a wrong signature")
	}
	s.client.keyAccepted.Store(true)
	return nil
}

// keyUnfit tells that the server knows the key, as it signed answers with it, but not as one for updates. Knot DNS says
// NOTAUTH with BADKEY then (RFC 8945 section 5.2.1), where others say REFUSED. It can't sign that, so nothing else that such
// an answer says is believed.
func (s *session) keyUnfit(request, answer *miekg.Msg) bool {
	signature := answer.IsTsig()
	return request.Opcode == miekg.OpcodeUpdate && answer.Rcode == miekg.RcodeNotAuth && signature != nil &&
		signature.Error == miekg.RcodeBadKey && s.client.keyAccepted.Load()
}

// decides tells whether the operator draws conclusions from a response code, other than that something is wrong.
func decides(rcode int) bool {
	switch rcode {
	case miekg.RcodeSuccess, miekg.RcodeNameError, miekg.RcodeNXRrset, miekg.RcodeYXRrset, miekg.RcodeYXDomain:
		return true
	default:
		return false
	}
}

// query asks for a record set and returns an authoritative answer, which may be empty.
func (s *session) query(k dns.Key) (*miekg.Msg, error) {
	m := new(miekg.Msg)
	m.SetQuestion(k.Name, k.Type)
	m.RecursionDesired = false
	m.SetEdns0(ednsSize, false)
	answer, err := s.exchange(m)
	if err != nil {
		return nil, err
	}
	return answer, s.checkQuery(answer, k)
}

// sets are those of the keys that exist.
func (s *session) sets(keys []dns.Key) ([]dns.RRset, error) {
	var sets []dns.RRset
	for _, k := range keys {
		answer, err := s.query(k)
		if err != nil {
			return nil, err
		}
		if set, ok := wire.Set(answer.Answer, k); ok {
			sets = append(sets, set)
		}
	}
	return sets, nil
}

func (s *session) soa() (*miekg.SOA, error) {
	answer, err := s.query(dns.Key{Name: s.client.apex, Type: miekg.TypeSOA})
	if err != nil {
		return nil, err
	}
	for _, rr := range answer.Answer {
		if soa, ok := rr.(*miekg.SOA); ok && dns.Canonical(soa.Hdr.Name) == s.client.apex {
			return soa, nil
		}
	}
	return nil, s.notAuthoritative(answer)
}
