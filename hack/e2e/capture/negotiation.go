// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	// tlsHandshake is the type of the record with which each side begins TLS. It can't be part of XML.
	tlsHandshake = 0x16
	// Types of TLS records and the longest there is (RFC 8446 section 5).
	firstType, lastType, recordHeader, maxRecord = 20, 24, 5, 1<<14 + 256
)

var (
	// negotiation are the elements that may come before TLS (RFC 6120 sections 4.3, 4.9 and 5.4).
	negotiation = []string{"features", "starttls", "proceed", "failure", "error"}
	// dialback are those by which a domain is proven without TLS (XEP-0220).
	dialback = []string{"result", "verify"}
)

// Sent is what one side of an XMPP stream sent.
type Sent struct {
	// Plain are the names of the elements in plain text, in order, without the stream header.
	Plain []string
	// Records of TLS, and their bytes.
	Records, Encrypted int
}

// Read takes the data of an XMPP stream apart. An error means that something in it is neither
// XML nor, from the first record on, TLS.
func Read(data []byte) (Sent, error) {
	plain, encrypted := data, []byte(nil)
	if i := bytes.IndexByte(data, tlsHandshake); i >= 0 {
		plain, encrypted = data[:i], data[i:]
	}
	sent := Sent{Encrypted: len(encrypted)}
	var err error
	if sent.Plain, err = elements(plain); err != nil {
		return Sent{}, err
	}
	for len(encrypted) >= recordHeader {
		length := int(binary.BigEndian.Uint16(encrypted[3:]))
		if encrypted[0] < firstType || encrypted[0] > lastType || encrypted[1] != 3 || length > maxRecord {
			return Sent{}, fmt.Errorf("reading records: %q is no header of one", encrypted[:recordHeader])
		}
		encrypted = encrypted[min(recordHeader+length, len(encrypted)):] // the last may still be on its way
		sent.Records++
	}
	return sent, nil
}

// OnlyNegotiation tells whether nothing but the way to TLS, or its refusal, was in plain text.
func (s Sent) OnlyNegotiation() bool { return s.only(negotiation) }

// NoStanza tells whether nothing but the way to TLS, or an attempt to go on without it, was in plain text.
func (s Sent) NoStanza() bool { return s.only(append(dialback, negotiation...)) }

func (s Sent) only(names []string) bool {
	return !slices.ContainsFunc(s.Plain, func(name string) bool { return !slices.Contains(names, name) })
}

// String lists what was sent.
func (s Sent) String() string {
	return fmt.Sprintf("plain: %s; TLS: %d records, %d bytes", strings.Join(s.Plain, " "), s.Records, s.Encrypted)
}

// elements are the names of the children of the root.
func elements(stream []byte) ([]string, error) {
	decoder := xml.NewDecoder(bytes.NewReader(stream))
	var names []string
	for depth := 0; ; {
		token, err := decoder.RawToken()
		var unfinished *xml.SyntaxError
		switch {
		case errors.Is(err, io.EOF), errors.As(err, &unfinished) && unfinished.Msg == "unexpected EOF":
			return names, nil
		case err != nil:
			return nil, fmt.Errorf("reading plain text: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth == 2 {
				names = append(names, t.Name.Local)
			}
		case xml.EndElement:
			depth--
		}
	}
}
