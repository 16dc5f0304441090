// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// partner is an organisation with a server of its own in the lab (hack/lab/partners).
type partner struct {
	name, domain, address string
	profile               v1alpha1.PeerProfile
	user                  string
	callsFrom             [2]string // addresses of its outgoing connections, if others
}

var (
	gmail      = partner{"gmail", "gmail.com", "203.0.113.20", v1alpha1.PeerProfileStandard, "jdoe1", [2]string{}}
	ejabberd   = partner{"ejabberd", "ejabberd.example", "203.0.113.21", v1alpha1.PeerProfileStandard, "emma", [2]string{}}
	cup8       = partner{"cup8", "cup8.example", "203.0.113.22", v1alpha1.PeerProfileCUP, "carla", [2]string{}}
	sametime   = partner{"sametime", "sametime.example", "203.0.113.23", v1alpha1.PeerProfileSametime, "sam", [2]string{}}
	webex      = partner{"webex", "webex.example", "203.0.113.24", v1alpha1.PeerProfileWebExConnect, "wendy", [2]string{}}
	googletalk = partner{"googletalk", "talk.example", "203.0.113.25", v1alpha1.PeerProfileGoogleTalk, "gina", [2]string{"203.0.113.45", "203.0.113.46"}}
)

// account is the partner's user, somewhere on the internet.
func (p partner) account() conversation.Account {
	return conversation.Account{
		JID: p.user + "@" + p.domain, Password: p.user + "-lab-password", Host: "internet", Server: p.address + ":5222",
	}
}

// peer is the partner as an administrator lists it.
func (p partner) peer() v1alpha1.Peer {
	insecure := p.profile == v1alpha1.PeerProfileWebExConnect || p.profile == v1alpha1.PeerProfileGoogleTalk
	return v1alpha1.Peer{Domain: v1alpha1.DomainName(p.domain), Profile: p.profile, AcknowledgeInsecure: insecure}
}

// switchTo gives the partner faults, none to heal it. That restarts it, which ends its streams.
func (s *site) switchTo(p partner, faults ...string) {
	s.Helper()
	s.lab(append([]string{"partner", "switch", p.name}, faults...)...)
}

// peered is a Federation with partners. Its user is alice.
func (s *site) peered(domain string, interval time.Duration, edit func(*v1alpha1.FederationSpec)) *v1alpha1.Federation {
	s.Helper()
	s.furnish(domain, map[string]string{"alice": "alices-password"})
	fed := s.furnished(domain)
	for _, key := range []string{"cup8.crt", "sametime.crt"} {
		fed.Spec.TLS.TrustedCAs = append(fed.Spec.TLS.TrustedCAs,
			v1alpha1.TrustedCA{ConfigMapRef: v1alpha1.ConfigMapKey{Name: "roots", Key: key}})
	}
	fed.Spec.Verification.Interval = metav1.Duration{Duration: interval}
	edit(&fed.Spec)
	s.create(fed)
	s.awaitReady(fed)
	return fed
}

// peerStatus is what status says of a partner; empty if it does not mention it. The rest of fed is renewed on the way.
func (s *site) peerStatus(fed *v1alpha1.Federation, domain string) v1alpha1.PeerStatus {
	s.Helper()
	s.must(cluster.Get(s.ctx, client.ObjectKeyFromObject(fed), fed))
	for _, status := range fed.Status.Peers {
		if status.Domain == domain {
			return status
		}
	}
	return v1alpha1.PeerStatus{}
}

// awaitPeer waits until status gives the reason for a partner.
func (s *site) awaitPeer(fed *v1alpha1.Federation, within time.Duration, domain, reason string) v1alpha1.PeerStatus {
	s.Helper()
	var found v1alpha1.PeerStatus
	s.Eventually(func() string {
		found = s.peerStatus(fed, domain)
		return found.Reason
	}, within, poll).Should(Equal(reason), func() string { return domain + ": " + found.Message })
	return found
}

// awaitPeers waits until every partner answers.
func (s *site) awaitPeers(fed *v1alpha1.Federation, within time.Duration) {
	s.Helper()
	s.await(fed, within, v1alpha1.ConditionPeersReachable, metav1.ConditionTrue, v1alpha1.ReasonPeersReachable)
}

// live is what the server says of itself.
func (s *site) live(fed *v1alpha1.Federation) engine.LiveStatus {
	s.Helper()
	var secret corev1.Secret
	s.must(cluster.Get(s.ctx, client.ObjectKey{Namespace: fed.Namespace, Name: fed.Name + "-server"}, &secret))
	status, err := engine.Status(s.ctx, s.pod(fed).Status.PodIP, string(secret.Data[engine.KeyToken]))
	s.must(err)
	return status
}

// streamsWith are the server's streams with a partner in one direction, of those that are authenticated.
func streamsWith(status engine.LiveStatus, direction, domain string) []engine.Session {
	var found []engine.Session
	for _, session := range status.Sessions {
		if session.Direction == direction && session.Remote == domain && session.Authentication != "" {
			found = append(found, session)
		}
	}
	return found
}

// apply applies a manifest of testdata, with what it leaves open, as an administrator does.
func (s *site) apply(file string, values map[string]string) {
	s.Helper()
	manifest, err := os.ReadFile("testdata/" + file)
	s.must(err)
	text := os.Expand(string(manifest), func(name string) string { return values[name] })
	s.must(lab.Apply(s.ctx, text))
	s.Log("kubectl apply of\n" + text)
}

// table prints rows below headings.
func table(t *testing.T, title string, rows [][]string) {
	t.Helper()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	if err := w.Flush(); err != nil {
		t.Error(err)
	}
	t.Logf("%s\n%s", title, b.String())
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
