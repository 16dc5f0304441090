// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Users' clients are let in from the internet while a server runs: knowing nothing but address and password of their user
// they find the server in the public DNS, by STARTTLS and by direct TLS, and talk, with a partner too. Before and after
// that there are neither records nor open ports, and those of partners stay as they are.
func TestClientExposure(t *testing.T) {
	needs(t, usual, shared(gmail.server()))
	s := newAllowedSite(t)
	const domain = "clients." + zone
	passwords := map[string]string{"alice": "alices-password", "bob": "bobs-password"}
	fed := s.served(domain, "", passwords)
	before, pod := s.publicService(fed), s.pod(fed)
	address := before.Status.LoadBalancer.Ingress[0].IP
	ways := []struct {
		user, service string
		port          int
		directTLS     bool
	}{{"alice", "_xmpp-client._tcp.", 5222, false}, {"bob", "_xmpps-client._tcp.", 5223, true}}
	closed := func() {
		s.Helper()
		for _, way := range ways {
			s.Eventually(func() error { return s.connects(address, way.port) }, soon, poll).ShouldNot(Succeed(), "port %d", way.port)
			s.Expect(s.records(lab.Primary, way.service+domain, dns.TypeSRV)).To(BeEmpty())
		}
		s.must(s.connects(address, 5269))
		s.Expect(s.publicService(fed).Spec.Ports).To(Equal(before.Spec.Ports))
	}
	closed()

	opened := time.Now()
	change(s, fed, func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.Clients = &v1alpha1.ClientExposureSpec{DirectTLS: &v1alpha1.ClientDirectTLSSpec{}}
	})
	s.awaitReady(fed)
	var users []*conversation.Client
	for _, way := range ways {
		for _, server := range []string{lab.Primary, lab.Secondary} {
			s.Expect(s.records(server, way.service+domain, dns.TypeSRV)).To(Equal([]string{fmt.Sprintf("0 0 %d xmpp.%s.", way.port, domain)}))
			s.Expect(s.records(server, way.service+"conference."+domain, dns.TypeSRV)).To(BeEmpty(), "nobody logs in there")
		}
		user := s.login(conversation.Account{
			JID: way.user + "@" + domain, Password: passwords[way.user], Host: "internet", DirectTLS: way.directTLS,
		})
		s.Expect(user.Address).To(Equal(net.JoinHostPort(address, fmt.Sprint(way.port))))
		t.Logf("%s is online from the internet through %s %.1f s after clients were let in", user.JID, user.Address, time.Since(opened).Seconds())
		users = append(users, user)
	}
	s.must(conversation.Say(s.ctx, users[0], users[1], "from STARTTLS to direct TLS"))
	s.must(conversation.Say(s.ctx, users[1], users[0], "and back"))
	s.must(conversation.Say(s.ctx, users[1], s.login(conversation.Partner), "from a client outside to a partner"))
	_, err := conversation.Login(s.ctx, conversation.Account{JID: "alice@" + domain, Password: "wrong", Host: "internet"})
	s.Expect(err).To(MatchError(ContainSubstring("logging in as alice")))

	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Clients = nil })
	s.awaitReady(fed)
	closed()
	s.must(s.canLogin(fed, "alice", passwords["alice"])) // from inside the cluster, as ever
	after := s.publicService(fed)
	s.Expect(after.UID).To(Equal(before.UID))
	s.Expect(after.Status.LoadBalancer).To(Equal(before.Status.LoadBalancer))
	s.sameServer(fed, pod)
}

// connects tells whether anybody accepts connections from the internet there.
func (s *site) connects(address string, port int) error {
	_, err := lab.Run(s.ctx, "exec", "internet", "--", "timeout", "2", "bash", "-c", `: <"/dev/tcp/$0/$1"`, address, fmt.Sprint(port))
	return err
}
