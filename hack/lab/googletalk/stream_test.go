// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"
)

const header = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' to='talk.example'>"

// canned is a connection on which everything has come already, and nothing is heard.
type canned struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *canned) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *canned) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }
func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *canned) Close() error                     { return nil }

// readAll reads a stream to its end, and gives its elements and why it ended.
func readAll(in io.Reader) (elements []*element, err error) {
	st := newStream(&canned{in: in}, nsServer)
	if _, err := st.readHeader(); err != nil {
		return nil, err
	}
	for {
		e, err := st.read(time.Second)
		if err != nil {
			return elements, err
		}
		elements = append(elements, e)
	}
}

func TestStreamRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"something else than XML":              {"HTTP/1.1 400 Bad Request\r\n\r\n<", `stream error "bad-format": ""`},
		"an element that is no stream":         {"<html>", `stream error "invalid-namespace": ""`},
		"a document type":                      {"<!DOCTYPE a [<!ENTITY b 'c'>]>" + header, `stream error "restricted-xml": ""`},
		"a comment":                            {header + "<!-- -->", `stream error "restricted-xml": ""`},
		"a processing instruction":             {header + "<?php ?>", `stream error "restricted-xml": ""`},
		"a second XML declaration":             {"<?xml version='1.0'?><?xml version='1.0'?>" + header, `stream error "restricted-xml": ""`},
		"an entity that is not predefined":     {header + "<message>&b;</message>", `stream error "not-well-formed": ""`},
		"elements that overlap":                {header + "<a><b></a></b>", `stream error "not-well-formed": ""`},
		"a stanza that does not end":           {header + "<message>" + strings.Repeat("x", 2*maxElement), `stream error "policy-violation": "the stanza is too big"`},
		"an attribute that does not end":       {"<stream:stream a='" + strings.Repeat("x", 2*maxElement), `stream error "policy-violation": "the stanza is too big"`},
		"nesting without end":                  {header + strings.Repeat("<a>", maxElement), "exceeded max depth"},
		"the peer's own error, by its name":    {header + "<stream:error><a/><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", `the peer sent stream error "reset": ""`},
		"the end of the connection in a tag":   {header + "<mess", "unexpected EOF"},
		"the end of the connection in between": {header + "<message/>", "unexpected EOF"},
		"the end of the stream":                {header + "</stream:stream>", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(strings.NewReader(tc.in))
			if err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestStanzasPassFromStreamToStream(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"a stanza gets the namespace of the other stream": {
			"<message to='a&apos;b'><body>&lt;hi&gt;</body></message>", "<message to='a&#39;b'><body>&lt;hi&gt;</body></message>",
		},
		"a foreign namespace is kept": {
			"<iq><p:ping xmlns:p='urn:xmpp:ping'><p:a/><b xmlns='c'/></p:ping></iq>",
			"<iq><ping xmlns='urn:xmpp:ping'><a/><b xmlns='c'/></ping></iq>",
		},
		"the content's namespace is kept within a foreign one": {
			"<iq><f xmlns='urn:f'><message xmlns='jabber:server'/></f></iq>", "<iq><f xmlns='urn:f'><message xmlns='jabber:client'/></f></iq>",
		},
		"the language is kept, and attributes of foreign namespaces are not": {
			"<message xml:lang='en' xmlns:x='y' x:a='b'/>", "<message xml:lang='en'/>",
		},
		"dialback has its traditional prefix": {"<d:result xmlns:d='jabber:server:dialback'>k</d:result>", "<db:result>k</db:result>"},
	} {
		t.Run(name, func(t *testing.T) {
			elements, _ := readAll(strings.NewReader(header + tc.in))
			if len(elements) != 1 {
				t.Fatalf("%d elements", len(elements))
			}
			var b bytes.Buffer
			elements[0].write(&b, nsClient, nsClient)
			if b.String() != tc.want {
				t.Errorf("got  %s\nwant %s", b.String(), tc.want)
			}
		})
	}
}

func TestSilentPeerIsCutOff(t *testing.T) {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	st := newStream(ours, nsServer)
	st.decoder = xml.NewDecoder(st.in)
	go func() { _, _ = io.WriteString(theirs, "<mess") }()
	_, err := st.read(50 * time.Millisecond)
	var failure *streamError
	if !errors.As(err, &failure) || failure.condition != "connection-timeout" {
		t.Errorf("got %v", err)
	}
}

func FuzzPeer(f *testing.F) {
	for _, seed := range []string{
		"", "</stream:stream>", "<stream:error/>",
		"<db:result from='cupdomain.com' to='talk.example'>k</db:result>",
		"<db:verify from='cupdomain.com' to='talk.example' id='x'>k</db:verify>",
		"<message from='a@cupdomain.com' to='gina@talk.example'><body>hi</body></message>",
		"<presence from='a@cupdomain.com' to='gina@talk.example' type='subscribe'/><presence from='a@cupdomain.com' to='gina@talk.example' type='probe'/>",
		"<iq type='set' from='a@cupdomain.com' to='talk.example'><query xmlns='jabber:iq:roster'><item/></query></iq>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		elements, err := readAll(strings.NewReader(header + in))
		if err == nil {
			t.Error("the stream never ends")
		}
		a := newAccount(jid.MustParse("gina@talk.example"), policy{domain: "talk.example"}.serves)
		a.join("desk", "")
		a.changePresence("desk", el("", "presence"))
		d := dialback{policy: policy{domain: "talk.example"}, id: "i", verified: []pair{{"cupdomain.com", "talk.example"}}}
		for _, e := range elements {
			if step := d.receive(e); step.stanza != nil {
				for _, p := range a.receive(step.stanza) {
					again, _ := readAll(strings.NewReader(header + render(p.stanza)))
					if len(again) != 1 || render(again[0]) != render(p.stanza) {
						t.Errorf("what is sent reads differently: %s", render(p.stanza))
					}
				}
			}
			for _, p := range a.fromClient("desk", e) {
				if p.stanza == nil {
					t.Error("nothing is sent")
				}
			}
		}
	})
}
