// SPDX-License-Identifier: Apache-2.0

package check

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// refusesWith is the end of a stream with a stream error.
func refusesWith(condition, text string) string {
	return "<stream:error>" + condition + "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>" + text + "</text></stream:error></stream:stream>"
}

// A server that refuses says so wherever the stream has come to: before it knows the version, as Prosody does when it is short of memory;
// in place of its features; and after it was asked for encryption, which it had offered when it still had room.
func TestInboundTellsARefusalFromALackOfEncryption(t *testing.T) {
	versionless := strings.Replace(streamHeader, " id='1' version='1.0'", " id='1'", 1)
	const xmlns = " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
	for name, before := range map[string]string{
		"before the version is known": versionless, "in place of features": streamHeader, "after STARTTLS": streamHeader + startTLSOffer,
	} {
		for condition, want := range map[string]struct{ element, text, words, fix string }{
			"resource-constraint": {words: `"resource-constraint" "this server is short of memory"`, text: "this server is short of memory",
				fix: "see the condition LimitsReached"},
			"host-unknown":       {words: `"host-unknown"`, fix: "The server there does not serve the domain"},
			"policy-violation":   {words: `"policy-violation"`, fix: "A rule of the server"},
			"system-shutdown":    {words: `"system-shutdown"`, fix: "The server is about to end or to start again"},
			"connection-timeout": {words: `"connection-timeout"`, fix: "The server heard nothing in time"},
			"see-other-host": {
				element: "<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>elsewhere.example:5269</see-other-host>",
				words:   `"see-other-host" "elsewhere.example:5269"`, fix: "which this Federation's server never does",
			},
			"undefined-condition": {words: `"undefined-condition"`, fix: "See the server's log"},
		} {
			t.Run(condition+" "+name, func(t *testing.T) {
				t.Parallel()
				element := want.element
				if element == "" {
					element = "<" + condition + xmlns
				}
				server := startServer(t, says(before+refusesWith(element, want.text)))
				got := run(t, checker(network{publicAddress: server}), target(startResolver(t, zone...)))
				if got.Reason != v1alpha1.ReasonStreamRefused || !strings.Contains(got.Message, "refuses streams to cupdomain.com with "+want.words) ||
					!strings.Contains(got.Message, want.fix) || !strings.HasSuffix(got.Message, tag(StreamOpens)) {
					t.Errorf("got %+v", got)
				}
			})
		}
	}
}

// What doctor says of a pod's own port, and of a stranger's server.
func TestRefusalsAreExplainedToWhomeverTheServerBelongs(t *testing.T) {
	for name, before := range map[string]string{
		"before the version is known": strings.Replace(streamHeader, " id='1' version='1.0'", " id='1'", 1),
		"after STARTTLS":              streamHeader + startTLSOffer,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t, says(before+refusesWith("<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", "short of memory")))
			c := checker(network{publicAddress: server})
			wire := c.TryReplica(t.Context(), netip.MustParseAddrPort(publicAddress), "cupdomain.com", "")
			pods := Deployment{Name: "chat/cup", Domain: "cupdomain.com", Replicas: []Replica{{Pod: "cup-0", Wire: wire}}}.judgePods()
			if r := pods[0]; r.ID != ServerAnswers || r.Mark != Fail || !strings.Contains(r.Words, `"resource-constraint" "short of memory"`) ||
				!strings.Contains(r.Fix, "see the condition LimitsReached") {
				t.Errorf("of the pod: got %+v", r)
			}
			results := c.Examine(t.Context(), Subject{Domain: "cupdomain.com", Resolvers: []string{startResolver(t, zone...).address}})
			for _, r := range results {
				if r.ID == StreamOpens {
					if r.Mark != Fail || r.Reason != v1alpha1.ReasonStreamRefused || !strings.Contains(r.Fix, "Give the server more memory") {
						t.Errorf("of a stranger's server: got %+v", r)
					}
					return
				}
			}
			t.Errorf("nothing is said of the stream: %+v", results)
		})
	}
}
