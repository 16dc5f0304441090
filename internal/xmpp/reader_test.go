// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

const (
	openStream = `<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'` +
		` xmlns:db='jabber:server:dialback' id='i1' from='cupdomain.com' version='1.0'>`
	oldStream = `<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'` +
		` xmlns:db='jabber:server:dialback' id='i1'>`
	startTLS = `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`
)

func TestReaderUnderstands(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want Features
	}{
		"features that offer STARTTLS": {
			`<stream:features>` + startTLS + `</stream:features>`, Features{StartTLS: true},
		},
		"features that require STARTTLS, and dialback with errors": {
			`<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>` +
				`<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>`,
			Features{StartTLS: true, TLSRequired: true, Dialback: true, DialbackErrors: true},
		},
		"SASL mechanisms": {
			`<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>` +
				`<mechanism> X<![CDATA[]]>-Y </mechanism></mechanisms></stream:features>`,
			Features{Mechanisms: []string{"EXTERNAL", "X-Y"}},
		},
		"no features at all":                      {`<stream:features/>`, Features{}},
		"white space as keepalive":                {" \n <stream:features>\n </stream:features>", Features{}},
		"elements of the same name and another's": {`<stream:features><starttls xmlns='urn:x'/></stream:features>`, Features{}},
		"what is required of something else": {
			`<stream:features>` + startTLS + `<x xmlns='urn:x'><required/></x></stream:features>`, Features{StartTLS: true},
		},
		"what is nested too deep": {
			`<stream:features><x xmlns='urn:x'><y><z>` + startTLS + `</z></y></x></stream:features>`, Features{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(strings.NewReader("<?xml version='1.0'?>" + openStream + tc.in))
			header, err := r.header()
			if err != nil {
				t.Fatal(err)
			}
			want := Header{ID: "i1", From: "cupdomain.com", Version: "1.0", Dialback: true}
			if header != want || !header.Modern() {
				t.Errorf("header %+v, want %+v", header, want)
			}
			got, err := r.features()
			if err != nil {
				t.Fatal(err)
			}
			if got.StartTLS != tc.want.StartTLS || got.TLSRequired != tc.want.TLSRequired ||
				got.Dialback != tc.want.Dialback || got.DialbackErrors != tc.want.DialbackErrors ||
				strings.Join(got.Mechanisms, ",") != strings.Join(tc.want.Mechanisms, ",") {
				t.Errorf("features %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestReaderRefuses(t *testing.T) {
	long := strings.Repeat("x", maxBytes)
	for name, tc := range map[string]struct {
		in     string
		stage  Stage
		detail string
	}{
		"a document type":               {`<!DOCTYPE x [<!ENTITY a "b">]>` + openStream, StageHeader, "document type"},
		"a document type without end":   {`<!DOCTYPE x [` + long, StageHeader, "more than"},
		"a comment":                     {`<!-- x -->` + openStream, StageHeader, "comment"},
		"a comment within features":     {openStream + `<stream:features><!-- x -->`, StageFeatures, "comment"},
		"a processing instruction":      {`<?php x?>` + openStream, StageHeader, "processing instruction"},
		"a second XML declaration":      {`<?xml version='1.0'?><?xml version='1.0'?>` + openStream, StageHeader, "processing"},
		"an entity of its own":          {openStream + `<stream:features>&a;`, StageFeatures, "malformed"},
		"another encoding":              {`<?xml version='1.0' encoding='UTF-16'?>` + openStream, StageHeader, "unsupported"},
		"broken UTF-8":                  {openStream + "<stream:features>\xff\xfe", StageFeatures, "malformed"},
		"mismatched tags":               {openStream + `<stream:features></stream:oops>`, StageFeatures, "malformed"},
		"a web server":                  {"HTTP/1.1 400 Bad Request\r\n\r\n", StageHeader, `"HTTP/1.1 400 Bad Request`},
		"an SSH server":                 {"SSH-2.0-OpenSSH_9.2\r\n", StageHeader, `"SSH-2.0`},
		"a web page":                    {"<html><body>", StageHeader, `"html"`},
		"a TLS alert":                   {"\x15\x03\x01\x00\x02\x02\x46", StageHeader, "direct TLS"},
		"a stream of another namespace": {`<stream:stream xmlns:stream='urn:x'>`, StageHeader, `"urn:x"`},
		"a stream without a namespace":  {`<stream>`, StageHeader, `""`},
		"a stanza before the features":  {openStream + `<message/>`, StageFeatures, `"message"`},
		"text before the features":      {openStream + `hello` + `<x/>`, StageFeatures, `"hello"`},
		"the end of the stream":         {openStream + `</stream:stream>`, StageFeatures, "ends the stream"},
		"a name without end":            {"<" + long, StageHeader, "more than 262144 bytes"},
		"an attribute without end":      {"<stream:stream id='" + long, StageHeader, "more than"},
		"white space without end":       {strings.Repeat(" ", maxBytes+1), StageHeader, "more than"},
		"text without end":              {openStream + long, StageFeatures, `"xxxx`},
		"nesting without end":           {openStream + "<stream:features>" + strings.Repeat("<a>", maxBytes/3), StageFeatures, "more than"},
		"features without end":          {openStream + "<stream:features>" + strings.Repeat("<a/>", maxBytes/4), StageFeatures, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(strings.NewReader(tc.in))
			_, err := r.header()
			if err == nil {
				_, err = r.features()
			}
			var protocol *ProtocolError
			if !errors.As(err, &protocol) {
				t.Fatalf("got error %v, want a ProtocolError", err)
			}
			if protocol.Stage != tc.stage || !strings.Contains(protocol.Detail, tc.detail) {
				t.Errorf("got %v, want %q at %s", err, tc.detail, tc.stage)
			}
		})
	}
}

func TestReaderTellsTheStreamErrorOfThePeer(t *testing.T) {
	for name, in := range map[string]string{
		"in place of features": openStream + `<stream:error>` +
			`<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'>a.b</host-unknown>` +
			`<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>not <![CDATA[served]]></text><own xmlns='urn:x'/></stream:error>`,
		"from a peer that closes at once": openStream + `<stream:error>` +
			`<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>not served</text>` +
			`<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(strings.NewReader(in))
			if _, err := r.header(); err != nil {
				t.Fatal(err)
			}
			_, err := r.features()
			var refused *StreamError
			if !errors.As(err, &refused) {
				t.Fatalf("got error %v, want a StreamError", err)
			}
			if refused.Condition != "host-unknown" || refused.Text != "not served" {
				t.Errorf("got %+v", refused)
			}
		})
	}
}

func TestReaderKnowsAnOldPeer(t *testing.T) {
	for version, modern := range map[string]bool{"": false, "0.9": false, "1.0": true, "1": true, "2.1": true, "x": false} {
		if got := (Header{Version: version}).Modern(); got != modern {
			t.Errorf("version %q: got %v, want %v", version, got, modern)
		}
	}
	header, err := newReader(strings.NewReader(oldStream)).header()
	if err != nil || header.Modern() || !header.Dialback {
		t.Errorf("got %+v, %v", header, err)
	}
}

func TestReaderReportsTheEndOfTheConnection(t *testing.T) {
	for _, in := range []string{"", "<stream:str", openStream, openStream + "<stream:features><x>te"} {
		r := newReader(strings.NewReader(in))
		_, err := r.header()
		if err == nil {
			_, err = r.features()
		}
		var connection *ConnectionError
		if !errors.As(err, &connection) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %q: got %v", in, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"<?xml version='1.0'?>" + openStream + "<stream:features>" + startTLS + "</stream:features><proceed xmlns='" + nsTLS + "'/>",
		openStream + "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
		oldStream, "HTTP/1.1 200 OK\r\n", "<!DOCTYPE a [", "\x16\x03\x01", "<a xmlns:a='a' a:a='&lt;'><![CDATA[",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newReader(bytes.NewReader(in))
		header, err := r.header()
		var features Features
		if err == nil {
			features, err = r.features()
		}
		if err == nil {
			err = r.proceed()
		}
		kept := len(header.ID) + len(header.From) + len(header.To) + len(header.Version)
		for _, m := range features.Mechanisms {
			kept += len(m)
		}
		var refused *StreamError
		if errors.As(err, &refused) {
			kept += len(refused.Condition) + len(refused.Text)
		}
		if kept > (4+maxMechanisms+2)*maxText || err != nil && len(err.Error()) > 8*maxText {
			t.Errorf("%d bytes kept, error %v", kept, err)
		}
		if !isOfThisPackage(err) {
			t.Errorf("error of a foreign type %T: %v", err, err)
		}
	})
}

func isOfThisPackage(err error) bool {
	var (
		refused    *StreamError
		protocol   *ProtocolError
		connection *ConnectionError
		tlsRefused *TLSRefusedError
	)
	return err == nil || errors.As(err, &refused) || errors.As(err, &protocol) || errors.As(err, &connection) ||
		errors.As(err, &tlsRefused)
}
