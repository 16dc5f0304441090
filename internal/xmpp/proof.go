// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
)

// External proves our domain by the certificate that StartTLS presented (SASL EXTERNAL, XEP-0178). Nil means success,
// after which the peer expects Restart. A *RejectedError says that the peer does not accept it.
func (s *Stream) External(ctx context.Context) error {
	identity := base64.StdEncoding.EncodeToString([]byte(s.names.From))
	return s.during(ctx, func() error {
		s.reader.stage = StageProof
		if err := s.send(fmt.Sprintf("<auth xmlns='%s' mechanism='EXTERNAL'>%s</auth>", nsSASL, identity)); err != nil {
			return err
		}
		start, err := s.reader.child()
		if err != nil {
			return err
		}
		switch start.Name {
		case xml.Name{Space: nsSASL, Local: "success"}:
			s.pending = true
			return s.reader.walk(func([]xml.Name, string) {})
		case xml.Name{Space: nsSASL, Local: "failure"}:
			rejected := &RejectedError{}
			err := s.reader.walk(func(path []xml.Name, _ string) {
				if rejected.Condition == "" && path[0].Local != "text" {
					rejected.Condition = clip(path[0].Local)
				}
			})
			if err != nil {
				return err
			}
			return rejected
		}
		return s.reader.unexpected(start)
	})
}

// Key is a key of server dialback.
type Key struct {
	// Receiving is the domain that wants proof, Originating the one that is proven.
	Receiving, Originating string
	// StreamID is that of the stream on which the key is used.
	StreamID string
	Value    string
}

// NewKey makes a key as recommended by XEP-0185 section 3: only who knows the secret can.
func NewKey(secret, receiving, originating, streamID string) Key {
	hashed := sha256.Sum256([]byte(secret))
	mac := hmac.New(sha256.New, []byte(hex.EncodeToString(hashed[:])))
	fmt.Fprintf(mac, "%s %s %s", receiving, originating, streamID)
	return Key{Receiving: receiving, Originating: originating, StreamID: streamID, Value: hex.EncodeToString(mac.Sum(nil))}
}

// Prove sends our key over the stream (XEP-0220 section 2.1.1, Originating Server) and returns the type of the answer:
// "valid", "invalid" or "error". The peer asks the server that the DNS names for our domain before it answers.
func (s *Stream) Prove(ctx context.Context, key Key) (string, error) {
	return s.dialback(ctx, "result", fmt.Sprintf("<db:result from='%s' to='%s'>%s</db:result>",
		escape(key.Originating), escape(key.Receiving), escape(key.Value)))
}

// Verify asks the peer, which serves key.Originating, whether it made the key (XEP-0220 section 2.1.2, Authoritative
// Server), and returns the type of the answer: "valid", "invalid" or "error".
func (s *Stream) Verify(ctx context.Context, key Key) (string, error) {
	return s.dialback(ctx, "verify", fmt.Sprintf("<db:verify from='%s' to='%s' id='%s'>%s</db:verify>",
		escape(key.Receiving), escape(key.Originating), escape(key.StreamID), escape(key.Value)))
}

// dialback sends an element of XEP-0220 and reads the answer, which has the same name.
func (s *Stream) dialback(ctx context.Context, name, element string) (answer string, err error) {
	err = s.during(ctx, func() error {
		s.reader.stage = StageProof
		if err := s.send(element); err != nil {
			return err
		}
		start, err := s.reader.child()
		if err != nil {
			return err
		}
		if start.Name != (xml.Name{Space: nsDialback, Local: name}) {
			return s.reader.unexpected(start)
		}
		for _, attr := range start.Attr {
			if attr.Name == (xml.Name{Local: "type"}) {
				answer = clip(attr.Value)
			}
		}
		return s.reader.walk(func([]xml.Name, string) {})
	})
	return answer, err
}
