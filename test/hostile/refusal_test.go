// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestRefused(t *testing.T) {
	const streams, stanzas = "xmlns='urn:ietf:params:xml:ns:xmpp-streams'", "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a stream error tells its condition and text": {
			&refusal{answer: "<stream:error><policy-violation " + streams + "/><text " + streams + ">it&apos;s denied</text></stream:error></stream:stream>"},
			"policy-violation: it's denied",
		},
		"a failure of SASL tells its condition": {
			&refusal{answer: "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><invalid-authzid/></failure>"}, "invalid-authzid",
		},
		"an error of a stanza tells its condition": {
			&refusal{answer: "<message type='error'><error type='cancel'><service-unavailable " + stanzas + "/></error></message>"},
			"service-unavailable",
		},
		"a connection that ends says how":   {fmt.Errorf("opening: %w", &refusal{end: io.EOF}), "EOF"},
		"anything else is shown as it came": {&refusal{answer: "<proceed/></stream:stream>"}, "refused: <proceed/></stream:stream>"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			said, err := refused(test.err)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(said).To(Equal(test.want))
		})
	}
}

func TestRefused_WhatIsNone(t *testing.T) {
	g := NewWithT(t)
	_, err := refused(nil)
	g.Expect(err).To(MatchError("was let in"))
	unknown := errors.New("no answer in time")
	_, err = refused(unknown)
	g.Expect(err).To(Equal(unknown))
}

func TestResult_Verdict(t *testing.T) {
	for want, result := range map[string]Result{
		"the server is gone: OOMKilled": {Gone: errors.New("OOMKilled")},
		"was let in":                    {Err: errors.New("was let in")},
		"forged messages reached the bystander: in plaintext": {Forged: []string{"in plaintext"}},
		"the kernel has ended the server 2 times":             {Killed: 2},
		"3 messages of the healthy partner were lost":         {Before: Window{Lost: 1}, During: Window{Lost: 1}, After: Window{Lost: 1}},
		"1 messages of the healthy partner came twice":        {After: Window{Doubled: 1}},
	} {
		t.Run(want, func(t *testing.T) { NewWithT(t).Expect(result.Verdict()).To(MatchError(want)) })
	}
	NewWithT(t).Expect(Result{During: Window{Sent: 9, P99: time.Minute}}.Verdict()).To(Succeed())
}
