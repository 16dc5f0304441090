// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/conversation"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// served is a Federation as an organisation has it: users, and a certificate that partners trust. An empty image is the
// operator's default.
func (s *site) served(domain, image string, accounts map[string]string) *v1alpha1.Federation {
	s.Helper()
	s.furnish(domain, accounts)
	fed := s.furnished(domain)
	fed.Spec.Server.Image = image
	s.create(fed)
	s.awaitReady(fed)
	return fed
}

// furnish creates what a Federation of an organisation refers to: users, a certificate, and the CAs of partners.
func (s *site) furnish(domain string, accounts map[string]string) {
	s.Helper()
	roots := map[string]string{}
	for key, file := range map[string]string{"ca.crt": lab.CA, "cup8.crt": lab.Dir + "/pki/cup8.crt", "sametime.crt": lab.Dir + "/pki/sametime.crt"} {
		content, err := os.ReadFile(file)
		s.must(err)
		roots[key] = string(content)
	}
	s.create(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "accounts"}, StringData: accounts},
		s.certificate(domain),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "roots"}, Data: roots},
	)
}

// furnished refers to what furnish creates.
func (s *site) furnished(domain string) *v1alpha1.Federation {
	fed := s.federation(domain)
	fed.Spec.Server.Accounts = &v1alpha1.AccountsSpec{SecretRef: v1alpha1.SecretName{Name: "accounts"}}
	fed.Spec.TLS = &v1alpha1.TLSSpec{
		SecretRef:  &v1alpha1.SecretName{Name: "certificate"},
		TrustedCAs: []v1alpha1.TrustedCA{{ConfigMapRef: v1alpha1.ConfigMapKey{Name: "roots"}}},
	}
	return fed
}

// certificate is a Secret with a new key pair from the lab's CA.
func (s *site) certificate(names ...string) *corev1.Secret {
	s.Helper()
	dir := s.TempDir()
	s.lab(append([]string{"cert", dir}, names...)...)
	data := map[string][]byte{}
	for _, file := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		content, err := os.ReadFile(filepath.Join(dir, file))
		s.must(err)
		data[file] = content
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "certificate"}, Type: corev1.SecretTypeTLS, Data: data,
	}
}

// pod is the server's only pod.
func (s *site) pod(fed *v1alpha1.Federation) *corev1.Pod {
	s.Helper()
	var pod corev1.Pod
	s.must(cluster.Get(s.ctx, client.ObjectKey{Namespace: fed.Namespace, Name: fed.Name + "-0"}, &pod))
	return &pod
}

// sameServer makes sure that the server was not restarted.
func (s *site) sameServer(fed *v1alpha1.Federation, before *corev1.Pod) {
	s.Helper()
	now := s.pod(fed)
	s.Expect(now.UID).To(Equal(before.UID), "the pod was replaced")
	s.Expect(now.Status.ContainerStatuses[0].RestartCount).To(Equal(before.Status.ContainerStatuses[0].RestartCount))
}

// canLogin tries once.
func (s *site) canLogin(fed *v1alpha1.Federation, localpart, password string) error {
	account, err := conversation.AccountOf(s.ctx, cluster, fed, localpart)
	s.must(err)
	account.Password = password
	user, err := conversation.Login(s.ctx, account)
	if err == nil {
		user.Close()
	}
	return err
}

// Users come, change their passwords and go while the server runs; those who are logged in stay.
func TestAccounts(t *testing.T) {
	needs(t, usual)
	s := newAllowedSite(t)
	fed := s.served("accounts."+zone, "", map[string]string{"alice": "first-password", "bob": "bobs-password"})
	pod := s.pod(fed)
	bob := s.loginTo(fed, "bob")
	s.must(s.canLogin(fed, "alice", "first-password"))
	s.Expect(s.canLogin(fed, "carol", "carols-password")).To(MatchError(ContainSubstring("logging in")))

	accounts := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "accounts"}}
	change(s, accounts, func(a *corev1.Secret) {
		a.Data = map[string][]byte{"alice": []byte("second-password"), "bob": a.Data["bob"], "carol": []byte("carols-password")}
	})
	began := time.Now()
	s.Eventually(func() error { return s.canLogin(fed, "carol", "carols-password") }, soon, poll).Should(Succeed())
	t.Logf("added user can log in %.1f s after the change of the Secret", time.Since(began).Seconds())
	s.Eventually(func() error { return s.canLogin(fed, "alice", "second-password") }, soon, poll).Should(Succeed())
	s.Expect(s.canLogin(fed, "alice", "first-password")).To(HaveOccurred(), "the old password")

	change(s, accounts, func(a *corev1.Secret) { delete(a.Data, "carol") })
	s.Eventually(func() error { return s.canLogin(fed, "carol", "carols-password") }, soon, time.Second).ShouldNot(Succeed())
	s.awaitReady(fed)
	s.sameServer(fed, pod)
	s.Expect(bob.Ended()).To(BeFalse(), "the stream of a user that was not touched")
}

// A new certificate is served to new streams; those of users and partners that are open stay.
func TestCertificateRotation(t *testing.T) {
	needs(t, usual, shared(gmail.server()))
	s := newAllowedSite(t)
	fed := s.served("rotation."+zone, "", map[string]string{"alice": "alices-password"})
	pod := s.pod(fed)
	alice, jdoe1 := s.loginTo(fed, "alice"), s.login(conversation.Partner)
	s.must(conversation.Say(s.ctx, alice, jdoe1, "before the rotation"))
	s.must(conversation.Say(s.ctx, jdoe1, alice, "before the rotation, too"))
	before := s.sessions(fed)
	serial := s.servedSerial(fed)

	fresh := s.certificate("rotation." + zone)
	secret := &corev1.Secret{ObjectMeta: fresh.ObjectMeta}
	change(s, secret, func(secret *corev1.Secret) { secret.Data = fresh.Data })
	s.Eventually(func() string { return s.servedSerial(fed) }, soon, poll).ShouldNot(Equal(serial))
	s.Eventually(func() string { s.condition(fed, v1alpha1.ConditionReady); return fed.Status.Certificate.Serial }, soon, poll).
		Should(BeEquivalentTo(s.servedSerial(fed)), "status tells the serial number that is served")
	s.awaitReady(fed)

	s.sameServer(fed, pod)
	s.must(conversation.Say(s.ctx, alice, jdoe1, "after the rotation"))
	s.must(conversation.Say(s.ctx, jdoe1, alice, "after the rotation, too"))
	s.Expect(s.sessions(fed)).To(ConsistOf(before), "streams between the servers")
}

// sessions are the streams between the server of a Federation and gmail.com.
func (s *site) sessions(fed *v1alpha1.Federation) []lab.Session {
	s.Helper()
	table, err := lab.ProsodySessions(s.ctx, fed.Namespace, fed.Name+"-0")
	s.must(err)
	s.must(lab.CheckSessions(table, string(fed.Spec.Domains[0]), "gmail.com"))
	var partner []lab.Session
	for _, session := range lab.ParseSessions(table) {
		if session.Remote == "gmail.com" {
			partner = append(partner, session)
		}
	}
	return partner
}

// A suspended Federation is left alone until it goes on.
func TestSuspend(t *testing.T) {
	needs(t, usual)
	zone := ownZone(t)
	s := newAllowedSite(t).in(zone)
	fed := withoutPods(s.federation("suspend." + zone))
	s.create(fed)
	s.awaitPublished(fed)
	published, service := s.transfer(), s.publicService(fed)

	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Suspend = true })
	s.await(fed, soon, v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Port = 15269 })
	_, err := lab.Readdress(s.ctx, client.ObjectKeyFromObject(service))
	s.must(err)
	s.await(fed, soon, v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended) // has seen the change
	s.Expect(s.publicService(fed).Spec).To(Equal(service.Spec))
	s.Expect(s.transfer()).To(Equal(published))

	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Suspend = false })
	s.awaitPublished(fed)
	s.Expect(s.condition(fed, v1alpha1.ConditionSuspended)).To(BeZero())
	s.Expect(s.publicService(fed).Spec.Ports[0].Port).To(Equal(int32(15269)))
}

// What keeps pods from running is in the condition, in words that name the cause and the field to change.
func TestPodTrouble(t *testing.T) {
	needs(t, usual)
	for name, trouble := range map[string]struct {
		edit     func(*v1alpha1.Federation)
		reason   string
		mentions []string
	}{
		"a missing image": {
			edit:     func(fed *v1alpha1.Federation) { fed.Spec.Server.Image = "localhost/xmppfed/no-such-image:1" },
			reason:   v1alpha1.ReasonImagePullFailed,
			mentions: []string{"trouble-0", "localhost/xmppfed/no-such-image:1", "spec.server.image"},
		},
		"no node that fits": {
			edit:     func(fed *v1alpha1.Federation) { withoutPods(fed) },
			reason:   v1alpha1.ReasonUnschedulable,
			mentions: []string{"trouble-0", "node(s) didn't match", "spec.server.podTemplate"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "", allowed)
			fed := s.federation("trouble." + zone)
			trouble.edit(fed)
			s.create(fed)
			s.await(fed, time.Minute, v1alpha1.ConditionServerReady, metav1.ConditionFalse, trouble.reason)
			for _, text := range trouble.mentions { // The scheduler first sees that there is no volume yet.
				s.Eventually(func() string { return s.condition(fed, v1alpha1.ConditionServerReady).Message }, soon, poll).
					Should(ContainSubstring(text))
			}
			if fed.Spec.DNS.PublicationPolicy == v1alpha1.PublishImmediately {
				s.awaitPublished(fed)
				return
			}
			s.await(fed, soon, v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonWaitingForServer)
		})
	}
}
