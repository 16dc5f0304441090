// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// brokenZone is one that only the tests of broken keys use.
const brokenZone = "bench.example"

// Each way in which a key can be wrong has its own reason and a message that names what to correct; once corrected, the
// records are published without further help.
func TestBrokenKey(t *testing.T) {
	needs(t, usual, exclusive(benchZone))
	for name, broken := range map[string]struct {
		keyName, secretOf string // keys of the lab
		secret            string // instead of secretOf
		reason            string
		mentions          []string
	}{
		"a secret that differs from the server's": {
			"fed-key", "weak-key", "", v1alpha1.ReasonTSIGBadSignature,
			[]string{lab.Primary + " knows TSIG key fed-key", "(BADSIG)", "puts the secret from the server's key statement into the Secret"},
		},
		"a key that the server does not know": {
			"no-such-key", "fed-key", "", v1alpha1.ReasonTSIGKeyUnknown,
			[]string{lab.Primary + " does not know", "(BADKEY)", "tsig-keygen -a hmac-sha256 no-such-key"},
		},
		"a key that may not change the zone": {
			"weak-key", "weak-key", "", v1alpha1.ReasonUpdateRefused,
			[]string{lab.Primary + " refuses key weak-key", "grant weak-key name _xmpp-server._tcp.broken." + brokenZone + ". SRV;"},
		},
		"a secret that is no base64": {
			"fed-key", "", "%", v1alpha1.ReasonTSIGBadSignature,
			[]string{"not in base64", "as tsig-keygen prints it", "key secret of Secret " + operatorNamespace + "/e2e-broken"},
		},
		"a Secret that does not have the key it should": {
			"fed-key", "", "", v1alpha1.ReasonSecretNotFound,
			[]string{"Secret " + operatorNamespace + "/e2e-broken", "has no key \"secret\"", "put the TSIG secret there"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			key := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "e2e-broken"}}
			switch {
			case broken.secretOf != "":
				key.Data = map[string][]byte{"secret": labKey(t, broken.secretOf)}
			case broken.secret != "":
				key.Data = map[string][]byte{"secret": []byte(broken.secret)}
			}
			dnsZone := testZone("e2e-broken", brokenZone)
			tsig := &dnsZone.Spec.Provider.RFC2136.TSIG
			tsig.KeyName, tsig.SecretRef.Name = broken.keyName, key.Name
			discardZone(t, dnsZone, key)                       // of an earlier run
			t.Cleanup(func() { discardZone(t, dnsZone, key) }) // after the Federation is gone
			s := newSite(t, "", allowed)
			fed := withoutPods(s.federation("broken." + brokenZone))
			s.create(key, dnsZone, fed)
			// Whatever happens, deletion needs a key that works.
			t.Cleanup(func() { s.repair(dnsZone, key) })

			s.mentions(s.await(fed, soon, v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, broken.reason).Message,
				broken.mentions...)
			s.Expect(s.records(lab.Primary, "_xmpp-server._tcp.broken."+brokenZone, dns.TypeSRV)).To(BeEmpty())
			s.repair(dnsZone, key)
			s.await(fed, time.Minute, v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
		})
	}
}

// discardZone deletes a zone and its key, if they exist.
func discardZone(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := client.IgnoreNotFound(cluster.Delete(context.Background(), object)); err != nil {
			t.Error(err)
		}
	}
}

// repair gives a zone the key that works.
func (s *site) repair(dnsZone *v1alpha1.DNSZone, key *corev1.Secret) {
	s.Helper()
	change(s, key, func(key *corev1.Secret) { key.Data = map[string][]byte{"secret": labKey(s.T, "fed-key")} })
	change(s, dnsZone, func(z *v1alpha1.DNSZone) { z.Spec.Provider.RFC2136.TSIG.KeyName = "fed-key" })
}

// labKey is the secret of a TSIG key of the lab.
func labKey(t *testing.T, name string) []byte {
	t.Helper()
	secret, err := os.ReadFile(lab.Dir + "/dns/keys/" + name + ".secret")
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// What others have at a name stays, and the condition says what to do; when they take it away, the records are
// published.
func TestForeignRecord(t *testing.T) {
	needs(t, usual)
	zone := ownZone(t)
	service := "_xmpp-server._tcp.foreign." + zone
	for name, foreign := range map[string]struct {
		name, data, reason string
		mentions           []string
	}{
		"a service record": {
			service, "SRV 0 0 5269 www." + zone + ".", v1alpha1.ReasonRecordExistsUnowned,
			[]string{"SRV " + service + " exists already", "update delete " + service + ". SRV"},
		},
		"an address": {
			"xmpp.foreign." + zone, "A 203.0.113.61", v1alpha1.ReasonRecordExistsUnowned,
			[]string{"A xmpp.foreign." + zone + " exists already", "update delete xmpp.foreign." + zone + ". A"},
		},
		"an alias": {
			service, "CNAME www." + zone + ".", v1alpha1.ReasonCNAMEConflict,
			[]string{"CNAME www." + zone, "update delete " + service + ". CNAME", "choose another name in the Federation"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "", allowed).in(zone)
			s.must(lab.Update(s.ctx, "update add "+foreign.name+". 60 "+foreign.data))
			removal := "update delete " + foreign.name + ". " + foreign.data
			s.Cleanup(func() { s.must(lab.Update(s.ctx, removal)) })
			before := s.transfer()

			fed := withoutPods(s.federation("foreign." + zone))
			s.create(fed)
			s.mentions(s.await(fed, soon, v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, foreign.reason).Message,
				foreign.mentions...)
			s.Expect(s.transfer()).To(Equal(before))

			s.must(lab.Update(s.ctx, removal))
			s.await(fed, time.Minute, v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonPublished)
		})
	}
}
