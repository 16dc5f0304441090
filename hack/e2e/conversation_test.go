// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// cup is the Federation of the reference scenario (config/samples). It is shared with the demo and stays in place.
func cup(t *testing.T) (*site, *v1alpha1.Federation) {
	t.Helper()
	s := &site{T: t, WithT: NewWithT(t), ctx: context.Background(), namespace: "chat", zone: "cupdomain.com"}
	t.Cleanup(func() {
		if t.Failed() {
			s.diagnose()
		}
	})
	uses(t, shared(theOperator, publicDNS, reference))
	script, err := lab.Path("hack/samples.sh")
	s.Expect(err).NotTo(HaveOccurred())
	out, err := exec.CommandContext(s.ctx, script).CombinedOutput()
	s.Expect(err).NotTo(HaveOccurred(), "%s", out)
	fed := &v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "cup"}}
	s.awaitReady(fed)
	return s, fed
}

// login logs a user in until the end of the test.
func (s *site) login(account conversation.Account) *conversation.Client {
	s.Helper()
	client, err := conversation.Login(s.ctx, account)
	s.Expect(err).NotTo(HaveOccurred())
	s.Cleanup(client.Close)
	return client
}

// loginTo logs a user of a Federation in.
func (s *site) loginTo(fed *v1alpha1.Federation, localpart string) *conversation.Client {
	s.Helper()
	account, err := conversation.AccountOf(s.ctx, cluster, fed, localpart)
	s.Expect(err).NotTo(HaveOccurred())
	return s.login(account)
}

// cupuser1 and jdoe1 exchange subscription, presence and messages in both directions; the records that lead there are
// public; the streams are encrypted and both domains proven by certificates.
func TestConversation(t *testing.T) {
	needs(t, usual, shared(gmail.server()), exclusive(reference))
	s, fed := cup(t)
	address := s.publicService(fed).Status.LoadBalancer.Ingress[0].IP
	s.Expect(fed.Status.Addresses).To(Equal([]string{address}))
	for _, server := range []string{lab.Primary, lab.Secondary} {
		for _, domain := range []string{"cupdomain.com", "conference.cupdomain.com"} {
			s.Expect(s.records(server, "_xmpp-server._tcp."+domain, dns.TypeSRV)).To(Equal([]string{"0 0 5269 cup1.cupdomain.com."}))
		}
		s.Expect(s.records(server, "cup1.cupdomain.com", dns.TypeA)).To(Equal([]string{address}))
	}

	cupuser1, jdoe1 := s.loginTo(fed, "cupuser1"), s.login(conversation.Partner)
	s.must(conversation.Hold(s.ctx, cupuser1, jdoe1, t.Output()))

	sessions, err := lab.ProsodySessions(s.ctx, "chat", "cup-0")
	s.Expect(err).NotTo(HaveOccurred())
	s.Log("streams between the servers:\n" + sessions)
	s.must(lab.CheckSessions(sessions, "cupdomain.com", "gmail.com"))

	out := s.lab("kubectl", "-n", "chat", "get", "federation", "cup")
	s.Log(out)
	s.Expect(out).To(MatchRegexp(`cup +cupdomain\.com +` + address + ` +True +True +Ready +1/1 `))
}

// Prosody 0.12 federates as 13.0 does.
func TestOlderProsody(t *testing.T) {
	needs(t, usual, shared(gmail.server()))
	s := newAllowedSite(t)
	fed := s.served("older."+zone, "localhost/xmppfed/prosody:0.12", map[string]string{"alice": "alices-password"})
	s.Expect(fed.Status.Server.Version).To(HavePrefix("0.12."))
	s.must(conversation.Hold(s.ctx, s.loginTo(fed, "alice"), s.login(conversation.Partner), t.Output()))
	s.Expect(s.sessions(fed)).NotTo(BeEmpty()) // TLS 1.3, proven by certificates
}

// The partner's answers also reach a room of the group chat domain: its records and certificate lead there.
func TestGroupChat(t *testing.T) {
	needs(t, usual, shared(gmail.server()), exclusive(reference))
	s, fed := cup(t)
	cupuser1, jdoe1 := s.loginTo(fed, "cupuser1"), s.login(conversation.Partner)
	const room = "lobby@conference.cupdomain.com"
	s.must(cupuser1.Send("join %s/cupuser1", room))
	s.hears(cupuser1, "presence", room+"/cupuser1", "")
	s.must(cupuser1.Send("open %s", room)) // a new room is locked until its owner says so
	s.must(cupuser1.Send("say %s Welcome", room))
	s.hears(cupuser1, "message", room+"/cupuser1", "Welcome")
	s.must(jdoe1.Send("join %s/jdoe1", room))
	s.hears(jdoe1, "presence", room+"/jdoe1", "")
	s.must(jdoe1.Send("say %s Hello room", room))
	s.hears(cupuser1, "message", room+"/jdoe1", "Hello room")
	s.must(cupuser1.Send("say %s Hello jdoe1", room))
	s.hears(jdoe1, "message", room+"/cupuser1", "Hello jdoe1")
}

// hears waits for a stanza.
func (s *site) hears(user *conversation.Client, kind, from, body string) {
	s.Helper()
	ctx, cancel := contextWithin(s, 20*time.Second)
	defer cancel()
	_, err := user.Await(ctx, "to receive a "+kind+" from "+from, func(e conversation.Event) bool {
		return e.Event == kind && e.From == from && e.Body == body && e.Type != "error"
	})
	s.Expect(err).NotTo(HaveOccurred())
}
