// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/cli"
)

// kubectl runs a verb of the plugin, which has to succeed, and returns what it printed.
func (s *site) kubectl(args ...string) string {
	s.Helper()
	out, code := s.plugin(args...)
	s.Expect(code).To(BeZero(), "kubectl xmppfed %s:\n%s", strings.Join(args, " "), out)
	return out
}

// plugin runs a verb of the plugin and returns what it printed, and its exit code.
func (s *site) plugin(args ...string) (string, int) {
	var out bytes.Buffer
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out}
	code := cli.Run(s.ctx, append(args, "--kubeconfig", lab.Kubeconfig), streams)
	return out.String(), code
}

// The plugin shows the streams that the server really has, which it asks through a port that the API server forwards, and
// the records that public DNS serves; a plan of what is there already changes nothing.
func TestKubectlPluginShowsWhatIs(t *testing.T) {
	needs(t, usual, shared(gmail.server()), exclusive(reference))
	s, fed := cup(t)
	cupuser1, jdoe1 := s.loginTo(fed, "cupuser1"), s.login(conversation.Partner)
	s.must(conversation.Hold(s.ctx, cupuser1, jdoe1, t.Output()))

	screen := s.kubectl("status", "cup", "-n", "chat")
	s.Log("kubectl xmppfed status cup -n chat\n" + screen)
	s.Expect(screen).To(HavePrefix("Federation chat/cup  Ready\ncupdomain.com federates\n"))
	s.Expect(screen).To(MatchRegexp(`(?m)^--> out +gmail\.com +cupdomain\.com +TLSv1\.3 +EXTERNAL `))
	s.Expect(screen).To(MatchRegexp(`(?m)^<-- in +gmail\.com +cupdomain\.com +TLSv1\.3 +EXTERNAL `))

	// Federations of other tests may be in any state, which decides the exit code. Where lines would become too long, the namespace has
	// one of its own.
	everywhere, _ := s.plugin("status", "-A")
	s.Expect(everywhere).To(MatchRegexp(`(?m)^chat\s+cup +cupdomain\.com +True +Ready `))
	address := fed.Status.Addresses[0]
	s.Expect(s.kubectl("records", "cup", "-n", "chat")).To(And(
		MatchRegexp(`(?m)^_xmpp-server\._tcp\.cupdomain\.com\. +300 IN SRV +0 0 5269 cup1\.cupdomain\.com\. ; Published$`),
		MatchRegexp(`(?m)^cup1\.cupdomain\.com\. +300 IN A +`+address+` +; Published$`)))

	sample, err := lab.Path("config/samples/federation.yaml")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(s.kubectl("plan", "-f", sample)).To(And(
		ContainSubstring("Objects: 0 to create, 0 to change, 0 to delete, "), ContainSubstring("Records: 0 to create, 0 to change, 0 to delete, ")))
}
