// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	miekg "github.com/miekg/dns"
)

// Interceptor stands before a real server and hands messages on (RFC 1035 section 4.2.2), unless it is told to treat them
// as a broken server does, or somebody on the way. It knows FedKey, as a broken server would.
type Interceptor struct {
	// Address is host:port.
	Address string

	server string
	fault  atomic.Pointer[Fault]
}

// Fault is what happens to a request.
type Fault func(Intercepted)

// Intercepted is a request with the two connections that it may travel on.
type Intercepted struct {
	Request []byte
	client  net.Conn
	server  string
}

// interceptTimeout of an exchange with the real server.
const interceptTimeout = 10 * time.Second

// Intercept listens at a loopback address, in front of the server with the given one, until the test ends.
func Intercept(t testing.TB, server string) *Interceptor {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatalf("listening for connections: %v", err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	i := &Interceptor{Address: listener.Addr().String(), server: server}
	i.Heal()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go i.serve(conn)
		}
	}()
	return i
}

// Break lets a fault happen to every request from now on.
func (i *Interceptor) Break(fault Fault) { i.fault.Store(&fault) }

// Heal hands requests on from now on.
func (i *Interceptor) Heal() {
	handOn := Fault(func(x Intercepted) { x.Answer(x.Ask()) })
	i.fault.Store(&handOn)
}

func (i *Interceptor) serve(conn net.Conn) {
	defer conn.Close()
	for {
		request, err := readFramed(conn)
		if err != nil {
			return
		}
		(*i.fault.Load())(Intercepted{Request: request, client: conn, server: i.server})
	}
}

func readFramed(conn net.Conn) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, message)
	return message, err
}

func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

// Ask hands the request on and returns the real server's answer, nil if there is none.
func (x Intercepted) Ask() []byte {
	conn, err := net.DialTimeout("tcp", x.server, interceptTimeout)
	if err != nil {
		return nil
	}
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(interceptTimeout)) != nil {
		return nil
	}
	if _, err := conn.Write(framed(x.Request)); err != nil {
		return nil
	}
	answer, err := readFramed(conn)
	if err != nil {
		return nil
	}
	return answer
}

// Answer sends bytes to the client; nil ends the connection.
func (x Intercepted) Answer(message []byte) {
	if message == nil {
		_ = x.client.Close()
		return
	}
	_, _ = x.client.Write(framed(message))
}

// parsed is the request; the client sends none that can't be read.
func (x Intercepted) parsed() *miekg.Msg {
	r := new(miekg.Msg)
	if err := r.Unpack(x.Request); err != nil || r.IsTsig() == nil {
		return nil
	}
	return r
}

// changes tells whether the request is an update with changes in it; one without is only a question.
func (x Intercepted) changes() bool {
	r := x.parsed()
	return r != nil && r.Opcode == miekg.OpcodeUpdate && len(r.Ns) > 0
}

// OnUpdates lets a fault happen to updates only.
func OnUpdates(fault Fault) Fault {
	return func(x Intercepted) {
		if x.changes() {
			fault(x)
		} else {
			x.Answer(x.Ask())
		}
	}
}

// Replies answers with a response code, signed as it should be, and what the server says beyond it (RFC 8914) if anything.
func Replies(rcode int, says string) Fault {
	return func(x Intercepted) {
		r := x.parsed()
		if r == nil {
			x.Answer(nil)
			return
		}
		m := new(miekg.Msg)
		m.SetRcode(r, rcode)
		m.Authoritative = true
		if says != "" {
			m.SetEdns0(miekg.DefaultMsgSize, false)
			m.IsEdns0().Option = append(m.IsEdns0().Option, &miekg.EDNS0_EDE{InfoCode: miekg.ExtendedErrorCodeProhibited, ExtraText: says})
		}
		x.sign(r, m, FedSecret, func(*miekg.TSIG) {})
	}
}

// sign signs an answer and sends it; edit changes the signature's fields before.
func (x Intercepted) sign(request, answer *miekg.Msg, secret string, edit func(*miekg.TSIG)) {
	theirs := request.IsTsig()
	answer.SetTsig(theirs.Hdr.Name, theirs.Algorithm, theirs.Fudge, time.Now().Unix())
	edit(answer.IsTsig())
	raw, _, err := miekg.TsigGenerate(answer, secret, theirs.MAC, false)
	if err != nil {
		raw = nil
	}
	x.Answer(raw)
}

// RejectsSignature answers that the signature is not accepted (RFC 8945 section 5.2), with the server's clock ahead.
func RejectsSignature(code uint16, ahead time.Duration) Fault {
	return func(x Intercepted) {
		r := x.parsed()
		if r == nil {
			x.Answer(nil)
			return
		}
		x.sign(r, new(miekg.Msg).SetRcode(r, miekg.RcodeNotAuth), FedSecret, func(s *miekg.TSIG) {
			s.Error = code
			if code == miekg.RcodeBadTime {
				s.OtherLen, s.OtherData = 6, fmt.Sprintf("%012x", time.Now().Add(ahead).Unix())
			}
		})
	}
}

// Forges answers as the real server does, but with the signature of somebody who does not know the key; with an empty
// secret without any.
func Forges(secret string) Fault {
	return func(x Intercepted) {
		r, m := x.parsed(), new(miekg.Msg)
		if r == nil || m.Unpack(x.Ask()) != nil || m.IsTsig() == nil {
			x.Answer(nil)
			return
		}
		m.Extra = m.Extra[:len(m.Extra)-1]
		if secret != "" {
			x.sign(r, m, secret, func(*miekg.TSIG) {})
			return
		}
		raw, err := m.Pack()
		if err != nil {
			raw = nil
		}
		x.Answer(raw)
	}
}

// Tampers changes bytes of the real server's answer: edit gets all of them.
func Tampers(edit func(answer []byte)) Fault {
	return func(x Intercepted) {
		answer := x.Ask()
		if answer != nil {
			edit(answer)
		}
		x.Answer(answer)
	}
}

// StaysSilent never answers.
func StaysSilent(x Intercepted) {
	_, _ = io.Copy(io.Discard, x.client)
}

// Resets the connection.
func Resets(x Intercepted) {
	if tcp, ok := x.client.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	x.Answer(nil)
}

// BreaksOff sends half of the real server's answer and ends the connection.
func BreaksOff(x Intercepted) {
	if answer := framed(x.Ask()); len(answer) > 2 {
		_, _ = x.client.Write(answer[:len(answer)/2])
	}
	x.Answer(nil)
}

// TalksNonsense answers with bytes that are no DNS message.
func TalksNonsense(x Intercepted) { x.Answer([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }

// LosesAnswer lets the real server do what is asked, but keeps its answer.
func LosesAnswer(x Intercepted) {
	x.Ask()
	x.Answer(nil)
}
