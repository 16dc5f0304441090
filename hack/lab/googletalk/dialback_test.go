// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
)

// parse reads an element as if it came on a stream between servers.
func parse(t testing.TB, text string) *element {
	t.Helper()
	around := &element{}
	if err := xml.Unmarshal([]byte("<stream xmlns:db='"+nsDialback+"'>"+text+"</stream>"), around); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return around.Children[0]
}

// render is the opposite of parse.
func render(e *element) string {
	var b bytes.Buffer
	e.write(&b, nsServer, nsServer)
	return b.String()
}

// describe says in one line what a step does.
func (s step) describe() string {
	switch {
	case s.reply != nil:
		return "reply " + render(s.reply)
	case s.verify != nil:
		return "verify " + s.verify.from + " to " + s.verify.to + " " + s.verify.id + " " + s.verify.key
	case s.stanza != nil:
		return "stanza"
	case s.end != nil:
		return "end " + s.end.condition
	}
	return "nothing"
}

func TestDialbackDecides(t *testing.T) {
	healthy := policy{domain: "talk.example", secret: "s3cr3t"}
	hosting, refusing := healthy, healthy
	hosting.claimed, refusing.refused = []string{"cupdomain.com"}, []string{"cupdomain.com"}
	key := healthy.key("cupdomain.com", "talk.example", "their-id")
	claimed := `<db:result from='cupdomain.com' to='talk.example'>k</db:result>`
	verified := []pair{{"cupdomain.com", "talk.example"}}
	for name, tc := range map[string]struct {
		policy   policy
		verified []pair
		in, want string
	}{
		"a claim is for the domain's own server to verify": {
			healthy, nil, claimed, "verify cupdomain.com to talk.example our-id k",
		},
		"domains are compared without regard to case": {
			healthy, nil, `<db:result from='CupDomain.COM' to='Talk.Example'>k</db:result>`, "verify cupdomain.com to talk.example our-id k",
		},
		"a second claim on the same stream is verified as well": {
			healthy, verified, `<db:result from='conference.cupdomain.com' to='talk.example'>k</db:result>`,
			"verify conference.cupdomain.com to talk.example our-id k",
		},
		"a claim to be a domain that we take for ours is invalid, and nobody is asked": {
			hosting, nil, claimed, `reply <db:result from='talk.example' to='cupdomain.com' type='invalid'/>`,
		},
		"a claim to be ourselves is invalid": {
			healthy, nil, `<db:result from='talk.example' to='talk.example'>k</db:result>`,
			`reply <db:result from='talk.example' to='talk.example' type='invalid'/>`,
		},
		"a claim to be a domain that is refused is answered with an error": {
			refusing, nil, claimed, `reply <db:result from='talk.example' to='cupdomain.com' type='error'><error type='cancel'>` +
				`<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>`,
		},
		"a claim to a domain that is not served ends the stream": {
			healthy, nil, `<db:result from='cupdomain.com' to='other.example'>k</db:result>`, "end host-unknown",
		},
		"a claim to a domain that is served by mistake is verified": {
			hosting, nil, `<db:result from='gmail.com' to='cupdomain.com'>k</db:result>`, "verify gmail.com to cupdomain.com our-id k",
		},
		"a claim to be nobody ends the stream":     {healthy, nil, `<db:result to='talk.example'>k</db:result>`, "end improper-addressing"},
		"a claim with a bad name ends the stream":  {healthy, nil, `<db:result from='@' to='talk.example'>k</db:result>`, "end improper-addressing"},
		"too many claims on a stream end it":       {healthy, make([]pair, maxPairs), claimed, "end resource-constraint"},
		"an answer to a claim has no place here":   {healthy, nil, `<db:result from='a.example' to='talk.example' type='valid'/>`, "end unsupported-stanza-type"},
		"an answer about a key has no place here":  {healthy, nil, `<db:verify from='a.example' to='talk.example' type='valid'/>`, "end unsupported-stanza-type"},
		"a request for encryption has none either": {healthy, nil, `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`, "end unsupported-stanza-type"},
		"our key for a stream to a peer is valid": {
			healthy, nil, `<db:verify from='cupdomain.com' to='talk.example' id='their-id'>` + key + `</db:verify>`,
			`reply <db:verify from='talk.example' to='cupdomain.com' id='their-id' type='valid'/>`,
		},
		"our key is invalid for another stream": {
			healthy, nil, `<db:verify from='cupdomain.com' to='talk.example' id='x'>` + key + `</db:verify>`,
			`reply <db:verify from='talk.example' to='cupdomain.com' id='x' type='invalid'/>`,
		},
		"our key is invalid for another peer": {
			healthy, nil, `<db:verify from='gmail.com' to='talk.example' id='their-id'>` + key + `</db:verify>`,
			`reply <db:verify from='talk.example' to='gmail.com' id='their-id' type='invalid'/>`,
		},
		"a key without a stream ends the stream": {
			healthy, nil, `<db:verify from='cupdomain.com' to='talk.example'>k</db:verify>`, "end improper-addressing",
		},
		"a key of a domain that is not served ends the stream": {
			healthy, nil, `<db:verify from='gmail.com' to='cupdomain.com' id='x'>k</db:verify>`, "end host-unknown",
		},
		"a stanza before the claim is settled ends the stream": {
			healthy, nil, `<message from='a@cupdomain.com' to='gina@talk.example'/>`, "end invalid-from",
		},
		"a stanza from the verified domain is passed on": {
			healthy, verified, `<message from='a@cupdomain.com/r' to='gina@talk.example' xmlns='jabber:server'/>`, "stanza",
		},
		"a stanza from another domain ends the stream": {
			healthy, verified, `<message from='a@gmail.com' to='gina@talk.example'/>`, "end invalid-from",
		},
		"a stanza to another domain ends the stream": {
			hosting, verified, `<iq from='a@cupdomain.com' to='b@cupdomain.com'/>`, "end invalid-from",
		},
		"a stanza without a sender ends the stream": {healthy, verified, `<presence to='gina@talk.example'/>`, "end improper-addressing"},
	} {
		t.Run(name, func(t *testing.T) {
			d := dialback{policy: tc.policy, id: "our-id", verified: tc.verified}
			if got := d.receive(parse(t, tc.in)).describe(); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestSettledClaimOpensTheStreamForItsPairOnly(t *testing.T) {
	d := dialback{policy: policy{domain: "talk.example"}, id: "our-id"}
	message := parse(t, `<message from='a@cupdomain.com' to='gina@talk.example'/>`)
	c := *d.receive(parse(t, `<db:result from='cupdomain.com' to='talk.example'>k</db:result>`)).verify

	if got := render(d.settle(c, false)); !strings.Contains(got, "type='invalid'") {
		t.Errorf("answer to a false claim: %s", got)
	}
	if got := d.receive(message).describe(); got != "end invalid-from" {
		t.Errorf("after a false claim: %s", got)
	}
	if got := render(d.settle(c, true)); !strings.Contains(got, "type='valid'") {
		t.Errorf("answer to a true claim: %s", got)
	}
	d.settle(c, true)
	if got := d.receive(message).describe(); got != "stanza" || len(d.verified) != 1 {
		t.Errorf("after a true claim: %s, %v", got, d.verified)
	}
	if got := d.receive(parse(t, `<message from='a@gmail.com' to='gina@talk.example'/>`)).describe(); got != "end invalid-from" {
		t.Errorf("another domain after a true claim: %s", got)
	}
}

// The key of XEP-0185 section 5, its example.
func TestKeyIsThatOfTheSpecification(t *testing.T) {
	p := policy{secret: "s3cr3tf0rd14lb4ck"}
	const want = "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"
	if got := p.key("xmpp.example.com", "example.org", "D60000229F"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
