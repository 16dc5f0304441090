// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// What a peer may take of time and memory.
const (
	negotiationTime = 20 * time.Second // for each step until a stream is authenticated
	dialTime        = 8 * time.Second  // for each of a domain's servers
	writeTime       = 10 * time.Second // for one write
	idleTime        = 30 * time.Minute // of an authenticated stream
	maxElement      = 128 << 10        // bytes of one stanza, or of a stream header
)

// streamError is why we end a stream (RFC 6120 section 4.9).
type streamError struct{ condition, text string }

// Error implements error.
func (e *streamError) Error() string { return fmt.Sprintf("stream error %q: %q", e.condition, e.text) }

// peerError is why the peer ends a stream, in its own words.
type peerError struct{ condition, text string }

// Error implements error.
func (e *peerError) Error() string {
	return fmt.Sprintf("the peer sent stream error %q: %q", e.condition, e.text)
}

// limited is an io.ByteReader, from which an xml.Decoder takes no more than it decodes, with a limit that is set anew for
// each element.
type limited struct {
	*bufio.Reader
	left int
}

// ReadByte implements io.ByteReader.
func (l *limited) ReadByte() (byte, error) {
	if l.left--; l.left < 0 {
		return 0, &streamError{condition: "policy-violation", text: "the stanza is too big"}
	}
	return l.Reader.ReadByte()
}

// stream is one end of an XML stream. One goroutine may read while another writes.
type stream struct {
	conn    net.Conn
	content string // namespace
	in      *limited
	decoder *xml.Decoder
}

func newStream(conn net.Conn, content string) *stream {
	return &stream{conn: conn, content: content, in: &limited{Reader: bufio.NewReader(conn)}}
}

// readHeader reads the opening tag of a stream, be it the first on the connection or a restart.
func (s *stream) readHeader() (*element, error) {
	s.decoder = xml.NewDecoder(s.in)
	declaration := true
	for {
		token, err := s.token(negotiationTime)
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name != (xml.Name{Space: nsStream, Local: "stream"}) {
				return nil, &streamError{condition: "invalid-namespace"}
			}
			return &element{XMLName: t.Name, Attrs: t.Attr}, nil
		case xml.ProcInst:
			if !declaration || t.Target != "xml" {
				return nil, &streamError{condition: "restricted-xml"}
			}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, &streamError{condition: "bad-format"}
			}
		}
		declaration = false
	}
}

// read reads the next element within the stream. The end of the stream is io.EOF, a stream error is a *peerError.
func (s *stream) read(limit time.Duration) (*element, error) {
	for {
		token, err := s.token(limit)
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			e := &element{}
			if err := s.decoder.DecodeElement(e, &t); err != nil {
				return nil, failure(err)
			}
			if e.is(nsStream, "error") {
				return nil, received(e)
			}
			return e, nil
		case xml.EndElement:
			return nil, io.EOF
		case xml.ProcInst:
			return nil, &streamError{condition: "restricted-xml"}
		}
	}
}

// received is the stream error that the peer sent.
func received(e *element) *peerError {
	refusal := &peerError{condition: "undefined-condition"}
	for _, c := range e.Children {
		switch {
		case c.is(nsStreamErrors, "text"):
			refusal.text = c.Text
		case c.XMLName.Space == nsStreamErrors:
			refusal.condition = c.XMLName.Local
		}
	}
	return refusal
}

// token begins a new element: with all the time and bytes that one may take.
func (s *stream) token(limit time.Duration) (xml.Token, error) {
	s.in.left = maxElement
	if err := s.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	token, err := s.decoder.Token()
	if err != nil {
		return nil, failure(err)
	}
	switch token.(type) {
	case xml.Comment, xml.Directive: // RFC 6120 section 11.1
		return nil, &streamError{condition: "restricted-xml"}
	}
	return token, nil
}

// failure tells what the peer got wrong from what the connection did.
func failure(err error) error {
	var syntax *xml.SyntaxError
	var timeout net.Error
	switch {
	case errors.As(err, &syntax) && strings.Contains(syntax.Msg, "unexpected EOF"):
		return io.ErrUnexpectedEOF
	case errors.As(err, &syntax):
		return &streamError{condition: "not-well-formed"}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &streamError{condition: "connection-timeout", text: "too long a silence"}
	}
	return err
}

// open writes the opening tag; attributes are given as for el.
func (s *stream) open(attrs ...string) error {
	var b bytes.Buffer
	b.WriteString("<?xml version='1.0'?><stream:stream xmlns:stream='" + nsStream + "' xmlns='" + s.content + "'")
	if s.content == nsServer {
		b.WriteString(" xmlns:db='" + nsDialback + "'")
	}
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			writeAttr(&b, attrs[i], attrs[i+1])
		}
	}
	b.WriteString(">")
	return s.send(b.Bytes())
}

// write writes elements, all at once.
func (s *stream) write(elements ...*element) error {
	var b bytes.Buffer
	for _, e := range elements {
		e.write(&b, s.content, s.content)
	}
	return s.send(b.Bytes())
}

func (s *stream) send(text []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	_, err := s.conn.Write(text)
	return err
}

// end closes the stream and its connection, politely if the peer still listens. A *streamError of ours is sent first.
func (s *stream) end(reason error) {
	text := "</stream:stream>"
	var failure *streamError
	if errors.As(reason, &failure) {
		e := el(nsStream, "error").with(el(nsStreamErrors, failure.condition))
		if failure.text != "" {
			e.with(el(nsStreamErrors, "text").says(failure.text))
		}
		var b bytes.Buffer
		e.write(&b, s.content, s.content)
		text = b.String() + text
	}
	_ = s.send([]byte(text)) // the peer may have gone
	s.conn.Close()
}

// encrypt makes the handshake of a server, after the go-ahead was sent. Nothing may have come in plain text after the
// request, or somebody on the way could slip it into the encrypted stream.
func (s *stream) encrypt(config *tls.Config) error {
	if s.in.Buffered() > 0 {
		return &streamError{condition: "policy-violation", text: "plain text after starttls"}
	}
	secured := tls.Server(s.conn, config)
	if err := secured.SetDeadline(time.Now().Add(negotiationTime)); err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	if err := secured.Handshake(); err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	s.conn, s.in = secured, &limited{Reader: bufio.NewReader(secured)}
	return nil
}
