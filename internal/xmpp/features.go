// SPDX-License-Identifier: Apache-2.0

package xmpp

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// Namespaces.
const (
	nsServer       = "jabber:server"                       // RFC 6120 section 4.8.3
	nsClient       = "jabber:client"                       // RFC 6120 section 4.8.3
	nsStream       = "http://etherx.jabber.org/streams"    // RFC 6120 section 4.8.1
	nsStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams" // RFC 6120 section 4.9.2
	nsTLS          = "urn:ietf:params:xml:ns:xmpp-tls"     // RFC 6120 section 5.4
	nsSASL         = "urn:ietf:params:xml:ns:xmpp-sasl"    // RFC 6120 section 6.4
	nsDialback     = "jabber:server:dialback"              // XEP-0220 section 2.1
	nsDialbackFeat = "urn:xmpp:features:dialback"          // XEP-0220 section 2.4.2
)

// seeOtherHost is the only condition of a stream error that holds text (RFC 6120 section 4.9.3.19).
const seeOtherHost = "see-other-host"

// Header is the peer's answer to ours (RFC 6120 section 4.7). All texts are the peer's own and not to be trusted.
type Header struct {
	ID, From, To string
	// Version is empty for a peer older than XMPP 1.0, which has no features: no TLS and no SASL, only dialback.
	Version string
	// Dialback is true when the header declares the namespace of server dialback (XEP-0220 section 2.1.1).
	Dialback bool
}

// Modern tells whether the peer speaks XMPP 1.0 or later, so that stream features follow (RFC 6120 section 4.7.5).
func (h Header) Modern() bool {
	major, _, _ := strings.Cut(h.Version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 1
}

// Features are what the peer offers (RFC 6120 section 4.3.2).
type Features struct {
	// StartTLS is true when encryption is offered, TLSRequired when nothing goes without.
	StartTLS, TLSRequired bool
	// Mechanisms of SASL, usually offered after TLS only. EXTERNAL means that the peer accepts our certificate.
	Mechanisms []string
	// Dialback is true when the peer offers server dialback, DialbackErrors when also its error handling.
	Dialback, DialbackErrors bool
}

// note takes in one piece of the features element, see reader.walk.
func (f *Features) note(path []xml.Name, text string) {
	parent, name := path[0], path[len(path)-1].Local
	switch {
	case parent == xml.Name{Space: nsTLS, Local: "starttls"}:
		f.StartTLS = true
		f.TLSRequired = f.TLSRequired || name == "required"
	case parent == xml.Name{Space: nsDialbackFeat, Local: "dialback"}:
		f.Dialback = true
		f.DialbackErrors = f.DialbackErrors || name == "errors"
	case parent == xml.Name{Space: nsSASL, Local: "mechanisms"} && len(path) == 2 && name == "mechanism":
		f.noteMechanism(text)
	}
}

// noteMechanism begins a mechanism when there is no text, and adds to its name otherwise.
func (f *Features) noteMechanism(text string) {
	last := len(f.Mechanisms) - 1
	switch {
	case text == "" && len(f.Mechanisms) < maxMechanisms:
		f.Mechanisms = append(f.Mechanisms, "")
	case text != "" && last >= 0:
		f.Mechanisms[last] = clip(f.Mechanisms[last] + strings.TrimSpace(text))
	}
}

// note takes in one piece of the error element, see reader.walk.
func (e *StreamError) note(path []xml.Name, text string) {
	if len(path) != 1 || path[0].Space != nsStreamErrors {
		return
	}
	if path[0].Local == "text" || path[0].Local == seeOtherHost {
		e.Text = clip(e.Text + text)
	}
	if path[0].Local != "text" && e.Condition == "" {
		e.Condition = clip(path[0].Local)
	}
}
