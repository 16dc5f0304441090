// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"slices"
)

// Namespaces.
const (
	nsClient       = "jabber:client"                        // RFC 6120 section 4.8.3
	nsServer       = "jabber:server"                        // RFC 6120 section 4.8.3
	nsStream       = "http://etherx.jabber.org/streams"     // RFC 6120 section 4.8.1
	nsStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"  // RFC 6120 section 4.9.2
	nsStanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"  // RFC 6120 section 8.3.2
	nsDialback     = "jabber:server:dialback"               // XEP-0220 section 2.1
	nsTLS          = "urn:ietf:params:xml:ns:xmpp-tls"      // RFC 6120 section 5.4
	nsSASL         = "urn:ietf:params:xml:ns:xmpp-sasl"     // RFC 6120 section 6.4
	nsBind         = "urn:ietf:params:xml:ns:xmpp-bind"     // RFC 6120 section 7
	nsSession      = "urn:ietf:params:xml:ns:xmpp-session"  // RFC 3921 section 3
	nsRoster       = "jabber:iq:roster"                     // RFC 6121 section 2
	nsPing         = "urn:xmpp:ping"                        // XEP-0199
	nsXML          = "http://www.w3.org/XML/1998/namespace" // of xml:lang
)

// prefixes are declared in the stream headers, and what is in these namespaces is written with them: servers of old
// look for "db:result", whatever the prefix means.
var prefixes = map[string]string{nsStream: "stream:", nsDialback: "db:"}

// element is a stanza or a part of one. Where text stands between child elements is not kept: stanzas have no use for that.
type element struct {
	// XMLName has no namespace, or either jabber:client or jabber:server, when that is the namespace of the stream's
	// content: stanzas pass from the one to the other as they are.
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []*element `xml:",any"`
}

// el makes an element; attributes are given as names and values in turn, and those with an empty value are left out.
func el(space, local string, attrs ...string) *element {
	e := &element{XMLName: xml.Name{Space: space, Local: local}}
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			e.set(attrs[i], attrs[i+1])
		}
	}
	return e
}

// with adds children.
func (e *element) with(children ...*element) *element {
	e.Children = append(e.Children, children...)
	return e
}

// says sets the text.
func (e *element) says(text string) *element {
	e.Text = text
	return e
}

// is compares the name; no namespace is that of the stream's content.
func (e *element) is(space, local string) bool {
	return e.XMLName.Local == local && (e.XMLName.Space == space || space == "" && e.isContent())
}

func (e *element) isContent() bool {
	return e.XMLName.Space == "" || e.XMLName.Space == nsClient || e.XMLName.Space == nsServer
}

// attr gives an attribute without a namespace.
func (e *element) attr(local string) string {
	for _, a := range e.Attrs {
		if a.Name == (xml.Name{Local: local}) {
			return a.Value
		}
	}
	return ""
}

func (e *element) set(local, value string) {
	name := xml.Name{Local: local}
	e.Attrs = slices.DeleteFunc(e.Attrs, func(a xml.Attr) bool { return a.Name == name })
	e.Attrs = append(e.Attrs, xml.Attr{Name: name, Value: value})
}

// to gives a copy that is addressed to somebody else; its children are shared.
func (e *element) to(address string) *element {
	c := *e
	c.Attrs = slices.Clone(e.Attrs)
	c.set("to", address)
	return &c
}

// child gives the first child element of that name, or nil.
func (e *element) child(space, local string) *element {
	i := slices.IndexFunc(e.Children, func(c *element) bool { return c.is(space, local) })
	if i < 0 {
		return nil
	}
	return e.Children[i]
}

// write renders the element. Content is the namespace of the stream's content, around that which is in force.
func (e *element) write(b *bytes.Buffer, content, around string) {
	space := e.XMLName.Space
	if e.isContent() {
		space = content
	}
	tag := prefixes[space] + e.XMLName.Local
	b.WriteString("<" + tag)
	if prefixes[space] == "" && space != around {
		writeAttr(b, "xmlns", space)
		around = space
	}
	for _, a := range e.Attrs {
		switch {
		case a.Name.Space == nsXML:
			writeAttr(b, "xml:"+a.Name.Local, a.Value)
		case a.Name.Space == "" && a.Name.Local != "xmlns": // nothing here has a use for those of other namespaces
			writeAttr(b, a.Name.Local, a.Value)
		}
	}
	if e.Text == "" && len(e.Children) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	_ = xml.EscapeText(b, []byte(e.Text)) // a bytes.Buffer takes every write
	for _, child := range e.Children {
		child.write(b, content, around)
	}
	b.WriteString("</" + tag + ">")
}

func writeAttr(b *bytes.Buffer, name, value string) {
	b.WriteString(" " + name + "='")
	_ = xml.EscapeText(b, []byte(value)) // a bytes.Buffer takes every write
	b.WriteString("'")
}

// errorReply turns a stanza around, with an error of the given type and condition (RFC 6120 section 8.3). It gives nil
// for what must not be answered with an error: errors, results and presence.
func errorReply(stanza *element, kind, condition, text string) *element {
	t := stanza.attr("type")
	if t == "error" || t == "result" || stanza.XMLName.Local == "presence" {
		return nil
	}
	failure := el("", "error", "type", kind).with(el(nsStanzaErrors, condition))
	if text != "" {
		failure.with(el(nsStanzaErrors, "text").says(text))
	}
	return reply(stanza, "error").with(failure)
}

func reply(stanza *element, kind string) *element {
	return el("", stanza.XMLName.Local, "type", kind, "id", stanza.attr("id"), "from", stanza.attr("to"), "to", stanza.attr("from"))
}
