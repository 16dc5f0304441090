// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"unicode"

	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

const (
	// maxBytes is how much a peer may send over the life of a stream. A header with features takes less than 2 KiB.
	maxBytes = 256 << 10
	// maxText limits what is kept of any one text of the peer.
	maxText = 1024
	// maxShown limits what an error shows of an unexpected text of the peer.
	maxShown = 32
	// maxMechanisms limits how many SASL mechanisms are kept.
	maxMechanisms = 32
)

// TLS record types (RFC 8446 section 5.1): what a peer starts with that expects or speaks TLS at once.
const (
	tlsAlert     = 0x15
	tlsHandshake = 0x16
)

var errBudget = errors.New("byte budget is spent")

// budget hands on at most left bytes and fails beyond. Errors of the connection leave it as *ConnectionError, so that
// they can be told from the decoder's; so does its end, since no stream ends without its end tag.
type budget struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errBudget
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, &ConnectionError{Err: err}
}

// reader reads the XML of one stream. Nesting is followed without recursion, and no more is kept than Header, Features
// and StreamError hold, so that the byte budget bounds memory and time.
type reader struct {
	bytes *budget
	buf   *bufio.Reader
	xml   *xml.Decoder
	stage Stage
}

func newReader(r io.Reader) *reader {
	return readWithin(&budget{r: r, left: maxBytes})
}

// anew reads the stream that follows on the encrypted connection, within what is left of the budget.
func (r *reader) anew(conn io.Reader) *reader {
	return readWithin(&budget{r: conn, left: r.bytes.left})
}

func readWithin(bytes *budget) *reader {
	buf := bufio.NewReader(bytes)
	// The decoder reads buf byte by byte, with no buffer of its own: what it has not consumed stays visible in buf.
	return &reader{bytes: bytes, buf: buf, xml: xml.NewDecoder(buf)}
}

// header reads up to and including the stream's opening tag.
func (r *reader) header() (Header, error) {
	r.stage = StageHeader
	if err := r.expectMarkup(); err != nil {
		return Header{}, err
	}
	start, err := r.next(true)
	if err != nil {
		return Header{}, err
	}
	if start.Name != (xml.Name{Space: nsStream, Local: "stream"}) {
		return Header{}, r.unexpected(start)
	}
	var header Header
	for _, attr := range start.Attr {
		value := clip(attr.Value)
		switch attr.Name {
		case xml.Name{Local: "id"}:
			header.ID = value
		case xml.Name{Local: "from"}:
			header.From = value
		case xml.Name{Local: "to"}:
			header.To = value
		case xml.Name{Local: "version"}:
			header.Version = value
		}
		switch {
		case attr.Name.Space == "xmlns" && value == nsDialback:
			header.Dialback = true
		case attr.Name == xml.Name{Local: "xmlns"} && value == nsClient:
			return header, r.protocol("the peer's stream is for clients (%s), not for servers", nsClient)
		}
	}
	return header, nil
}

// expectMarkup looks at the first byte, to know a peer that speaks something else without waiting for it to end.
func (r *reader) expectMarkup() error {
	for {
		c, err := r.buf.ReadByte()
		switch {
		case err != nil:
			return r.failure(err)
		case unicode.IsSpace(rune(c)):
			continue
		case c == '<':
			return r.buf.UnreadByte()
		case c == tlsAlert || c == tlsHandshake:
			return r.protocol("the peer speaks TLS from the first byte on, as a direct TLS port does (XEP-0368)")
		}
		more, err := r.buf.Peek(r.buf.Buffered())
		if err != nil {
			return r.failure(err)
		}
		return r.protocol("the peer starts with %s", phrase.Quote(string(c)+string(more), maxShown))
	}
}

// features reads the stream features that follow the header.
func (r *reader) features() (Features, error) {
	r.stage = StageFeatures
	var features Features
	start, err := r.child()
	if err != nil {
		return features, err
	}
	if start.Name != (xml.Name{Space: nsStream, Local: "features"}) {
		return features, r.unexpected(start)
	}
	err = r.walk(features.note)
	return features, err
}

// proceed reads the answer to a STARTTLS request. Nothing may follow the go-ahead before the handshake, or somebody on
// the way could slip plain text into the encrypted stream.
func (r *reader) proceed() error {
	r.stage = StageNegotiation
	start, err := r.child()
	if err != nil {
		return err
	}
	switch start.Name {
	case xml.Name{Space: nsTLS, Local: "proceed"}:
		if err := r.walk(func([]xml.Name, string) {}); err != nil {
			return err
		}
		if r.buf.Buffered() > 0 {
			return r.protocol("the peer sends plain text after its go-ahead for TLS")
		}
		return nil
	case xml.Name{Space: nsTLS, Local: "failure"}:
		return &TLSRefusedError{}
	}
	return r.unexpected(start)
}

// child reads up to the next element within the stream. A stream error comes back as *StreamError.
func (r *reader) child() (xml.StartElement, error) {
	start, err := r.next(false)
	if err != nil || start.Name != (xml.Name{Space: nsStream, Local: "error"}) {
		return start, err
	}
	streamError := &StreamError{}
	if err := r.walk(streamError.note); err != nil {
		return start, err
	}
	return start, streamError
}

// next reads up to the next opening tag, skipping white space, and an XML declaration if that is allowed.
func (r *reader) next(declaration bool) (xml.StartElement, error) {
	for {
		token, err := r.token(&declaration)
		if err != nil {
			return xml.StartElement{}, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			return t, nil
		case xml.EndElement:
			return xml.StartElement{}, r.protocol("the peer ends the stream")
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return xml.StartElement{}, r.protocol("the peer sends the text %s", phrase.Quote(string(t), maxShown))
			}
		}
	}
}

// walk reads to the end of the element just opened. It calls visit for every element within, with the path to it below
// that one and no text, and for every piece of text with the path to its element. Nothing deeper than two is visited:
// nothing deeper is of use.
func (r *reader) walk(visit func(path []xml.Name, text string)) error {
	const maxDepth = 2
	path := make([]xml.Name, 0, maxDepth)
	for depth := 0; depth >= 0; {
		token, err := r.token(new(bool))
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth <= maxDepth {
				path = append(path[:depth-1], t.Name)
				visit(path, "")
			}
		case xml.EndElement:
			if depth--; depth >= 0 {
				path = path[:min(depth, len(path))]
			}
		case xml.CharData:
			if depth > 0 && depth <= maxDepth && len(t) > 0 {
				visit(path, string(t))
			}
		}
	}
	return nil
}

// token reads a token and refuses what RFC 6120 section 11.1 forbids. The XML declaration is allowed once, before
// anything else.
func (r *reader) token(declaration *bool) (xml.Token, error) {
	token, err := r.xml.Token()
	if err != nil {
		return nil, r.failure(err)
	}
	allowed := *declaration
	*declaration = false
	switch t := token.(type) {
	case xml.ProcInst:
		if t.Target != "xml" || !allowed {
			return nil, r.protocol("the peer sends a processing instruction, which XMPP forbids")
		}
	case xml.Comment:
		return nil, r.protocol("the peer sends a comment, which XMPP forbids")
	case xml.Directive:
		return nil, r.protocol("the peer sends a document type, which XMPP forbids")
	}
	return token, nil
}

// failure tells the connection's errors from the peer's mistakes.
func (r *reader) failure(err error) error {
	var syntax *xml.SyntaxError
	var connection *ConnectionError
	switch {
	case errors.As(err, &connection):
		connection.Stage = r.stage
		return connection
	case errors.Is(err, errBudget):
		return r.protocol("the peer sends more than %d bytes", maxBytes)
	case errors.As(err, &syntax):
		return r.protocol("malformed XML: %s", phrase.Clean(syntax.Msg, maxText))
	}
	// The rest comes from the decoder: an encoding other than UTF-8, or an XML version other than 1.0.
	return r.protocol("unsupported XML: %s", phrase.Clean(err.Error(), maxText))
}

func (r *reader) unexpected(start xml.StartElement) error {
	return r.protocol("the peer sends the element %s in the namespace %s",
		phrase.Quote(start.Name.Local, maxShown), phrase.Quote(start.Name.Space, maxShown*2))
}

func (r *reader) protocol(format string, args ...any) error {
	return &ProtocolError{Stage: r.stage, Detail: fmt.Sprintf(format, args...)}
}

func clip(s string) string {
	return s[:min(len(s), maxText)]
}
