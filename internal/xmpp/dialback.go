// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
)

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

// Verify asks the peer, which serves key.Originating, whether it made the key (XEP-0220 section 2.1.2, Authoritative
// Server), and returns the type of the answer: "valid", "invalid" or "error".
func (s *Stream) Verify(ctx context.Context, key Key) (answer string, err error) {
	err = s.during(ctx, func() error {
		s.reader.stage = StageVerify
		if err := s.send(fmt.Sprintf("<db:verify from='%s' to='%s' id='%s'>%s</db:verify>",
			escape(key.Receiving), escape(key.Originating), escape(key.StreamID), escape(key.Value))); err != nil {
			return err
		}
		start, err := s.reader.child()
		if err != nil {
			return err
		}
		if start.Name != (xml.Name{Space: nsDialback, Local: "verify"}) {
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
