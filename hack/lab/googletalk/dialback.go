// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"mellium.im/xmpp/jid"
)

// maxPairs limits how many pairs of domains one stream may be authenticated for.
const maxPairs = 100

// policy is what the server believes and allows.
type policy struct {
	// domain is its own; claimed are domains that it believes are its own too.
	domain  string
	claimed []string
	// refused are the domains it will not talk to.
	refused []string
	// secret of the dialback keys.
	secret string
}

func (p policy) serves(domain string) bool {
	return domain == p.domain || slices.Contains(p.claimed, domain)
}

// key is the dialback key for a stream from one domain to another (XEP-0185 section 3).
func (p policy) key(to, from, id string) string {
	secret := sha256.Sum256([]byte(p.secret))
	mac := hmac.New(sha256.New, []byte(hex.EncodeToString(secret[:])))
	mac.Write([]byte(to + " " + from + " " + id))
	return hex.EncodeToString(mac.Sum(nil))
}

// pair is a direction of traffic: from a domain of the peer's to one of ours.
type pair struct{ from, to string }

// claim is a peer's claim to be a domain, with the key that the domain's authoritative server can verify.
type claim struct {
	pair
	id, key string
}

// dialback is the receiving server's and the authoritative server's side of a stream that a peer opened to us (XEP-0220
// section 2). It decides; others do.
type dialback struct {
	policy
	id       string // of the stream
	verified []pair
}

// step is what to do about an element. At most one field is set.
type step struct {
	reply  *element
	verify *claim       // ask the authoritative server, then settle
	stanza *element     // pass on
	end    *streamError // of the stream
}

// receive decides about an element from the peer.
func (d *dialback) receive(e *element) step {
	switch {
	case e.is(nsDialback, "result") && e.attr("type") == "":
		return d.result(e)
	case e.is(nsDialback, "verify") && e.attr("type") == "":
		return d.verify(e)
	case e.is("", "message"), e.is("", "presence"), e.is("", "iq"):
		return d.stanza(e)
	}
	return step{end: &streamError{condition: "unsupported-stanza-type"}}
}

// result decides as receiving server about a claim (XEP-0220 section 2.1.1).
func (d *dialback) result(e *element) step {
	c := claim{pair: pair{from: domainOf(e.attr("from")), to: domainOf(e.attr("to"))}, id: d.id, key: e.Text}
	switch {
	case c.from == "" || c.to == "":
		return step{end: &streamError{condition: "improper-addressing"}}
	case !d.serves(c.to):
		return step{end: &streamError{condition: "host-unknown"}}
	case slices.Contains(d.refused, c.from):
		return step{reply: c.answer("error").with(
			el("", "error", "type", "cancel").with(el(nsStanzaErrors, "policy-violation")))}
	case d.serves(c.from):
		// Nobody else is asked about a domain that is ours, and we have not made this key.
		return step{reply: d.settle(c, c.key == d.key(c.to, c.from, c.id))}
	case len(d.verified) >= maxPairs:
		return step{end: &streamError{condition: "resource-constraint"}}
	}
	return step{verify: &c}
}

// settle notes whether a claim is true, and gives the answer to it.
func (d *dialback) settle(c claim, valid bool) *element {
	if !valid {
		return c.answer("invalid")
	}
	if !slices.Contains(d.verified, c.pair) {
		d.verified = append(d.verified, c.pair)
	}
	return c.answer("valid")
}

func (c claim) answer(kind string) *element {
	return el(nsDialback, "result", "from", c.to, "to", c.from, "type", kind)
}

// verify decides as authoritative server about a key that a domain of ours is said to have made (XEP-0220 section 2.2).
func (d *dialback) verify(e *element) step {
	from, to, id := domainOf(e.attr("from")), domainOf(e.attr("to")), e.attr("id")
	switch {
	case from == "" || to == "" || id == "":
		return step{end: &streamError{condition: "improper-addressing"}}
	case !d.serves(to):
		return step{end: &streamError{condition: "host-unknown"}}
	}
	kind := "invalid"
	if hmac.Equal([]byte(e.Text), []byte(d.key(from, to, id))) {
		kind = "valid"
	}
	return step{reply: el(nsDialback, "verify", "from", to, "to", from, "id", id, "type", kind)}
}

// stanza passes on what the stream is authenticated for (RFC 6120 section 4.9.3.9).
func (d *dialback) stanza(e *element) step {
	p := pair{from: domainOf(e.attr("from")), to: domainOf(e.attr("to"))}
	switch {
	case p.from == "" || p.to == "":
		return step{end: &streamError{condition: "improper-addressing"}}
	case !slices.Contains(d.verified, p):
		return step{end: &streamError{condition: "invalid-from"}}
	}
	return step{stanza: e}
}

// domainOf gives the domain of an address in the form in which domains are compared, or nothing if it is no address.
func domainOf(address string) string {
	j, err := jid.Parse(address)
	if err != nil {
		return ""
	}
	return j.Domainpart()
}
