// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

func TestEachProviderIsMadeAsTheSpecTells(t *testing.T) {
	zone := dnstest.NewMemory("cupdomain.com")
	hook := dnstest.ServeWebhook(t, zone)
	key := v1alpha1.TSIGKey{KeyName: "fed-key", Algorithm: "hmac-sha256", SecretRef: secretRef("fed-tsig", "secret")}
	aws := dnstest.ServeRoute53(t, zone)
	accessKey, secretKey := secretRef("aws", "id"), secretRef("aws", "secret")
	token := secretRef("cloudflare", "token")
	secrets := controllers.ZoneSecrets{
		token:         dnstest.CloudflareToken + "\n",
		key.SecretRef: "c2VjcmV0IG9mIGF0IGxlYXN0IDE2IGJ5dGVz",
		accessKey:     dnstest.Route53KeyID + "\n", secretKey: dnstest.Route53Secret + "\n",
	}
	for name, test := range map[string]struct {
		provider v1alpha1.DNSProvider
		want     dns.Capabilities
	}{
		"Dynamic updates are atomic": {
			v1alpha1.DNSProvider{RFC2136: &v1alpha1.RFC2136Provider{Servers: []v1alpha1.ServerAddress{"203.0.113.53:53"}, TSIG: key}},
			dns.Capabilities{Writes: true, Prerequisites: true, Atomic: true},
		},
		"Route 53 is atomic": {
			v1alpha1.DNSProvider{Route53: &v1alpha1.Route53Provider{
				Region: dnstest.Route53Region, Endpoint: aws.URL, AccessKeyIDSecretRef: &accessKey, SecretAccessKeySecretRef: &secretKey,
			}},
			dns.Capabilities{Writes: true, Prerequisites: true, Atomic: true},
		},
		"Cloudflare is best effort": {
			v1alpha1.DNSProvider{Cloudflare: &v1alpha1.CloudflareProvider{APITokenSecretRef: token}},
			dns.Capabilities{Writes: true, Atomic: true},
		},
		"A webhook is best effort": {
			v1alpha1.DNSProvider{Webhook: &v1alpha1.WebhookProvider{URL: hook.URL, SRVTargets: v1alpha1.SRVTargetsBare}},
			dns.Capabilities{Writes: true},
		},
		"Handing over to ExternalDNS is best effort": {
			v1alpha1.DNSProvider{DNSEndpoint: &v1alpha1.DNSEndpointProvider{}}, dns.Capabilities{Writes: true},
		},
		"People write where it is manual": {v1alpha1.DNSProvider{Manual: &v1alpha1.ManualProvider{}}, dns.Capabilities{}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := v1alpha1.DNSZoneSpec{Zone: "cupdomain.com", Provider: test.provider}
			p, err := newZoneProvider([]string{"203.0.113.53:53"}, nil, "xmppfed-system")(spec, secrets)
			if err != nil {
				t.Fatal(err)
			}
			if p.Capabilities() != test.want || p.Apex() != "cupdomain.com." {
				t.Errorf("got %+v for %s, want %+v for cupdomain.com.", p.Capabilities(), p.Apex(), test.want)
			}
			if test.provider.Webhook != nil || test.provider.Route53 != nil {
				if err := p.Probe(t.Context()); err != nil {
					t.Errorf("asking whether it can be used: %v", err)
				}
			}
		})
	}
}

func secretRef(name, key string) v1alpha1.SecretKey {
	return v1alpha1.SecretKey{SecretName: v1alpha1.SecretName{Name: name}, Key: key}
}

func TestATSIGSecretThatIsNoneIsRefused(t *testing.T) {
	spec := v1alpha1.DNSZoneSpec{Zone: "cupdomain.com", Provider: v1alpha1.DNSProvider{RFC2136: &v1alpha1.RFC2136Provider{
		Servers: []v1alpha1.ServerAddress{"203.0.113.53:53"}, TSIG: v1alpha1.TSIGKey{KeyName: "fed-key"},
	}}}
	if _, err := newZoneProvider(nil, nil, "")(spec, controllers.ZoneSecrets{{}: "no base64!"}); err == nil {
		t.Error("got a provider, want an error")
	}
}

func twoKeys() v1alpha1.DNSZoneSpec {
	return v1alpha1.DNSZoneSpec{Zone: "cupdomain.com", Provider: v1alpha1.DNSProvider{RFC2136: &v1alpha1.RFC2136Provider{
		Servers:      []v1alpha1.ServerAddress{"203.0.113.53:53"},
		TSIG:         v1alpha1.TSIGKey{KeyName: "next-key", SecretRef: secretRef("fed-tsig-2", "next")},
		PreviousTSIG: &v1alpha1.TSIGKey{KeyName: "fed-key", SecretRef: secretRef("fed-tsig", "previous")},
	}}}
}

func TestWithTwoKeysTheOneServesWhoseSecretIsThereAndCanBeRead(t *testing.T) {
	spec := twoKeys()
	const secret = "c2VjcmV0IG9mIGF0IGxlYXN0IDE2IGJ5dGVz"
	const statement = `key "next-key" { algorithm hmac-sha256; secret "` + secret + `"; };`
	for name, test := range map[string]struct {
		next, previous string
		rotated        bool
		unusable       []string
	}{
		"both":             {next: secret, previous: secret, rotated: true},
		"the new one":      {next: secret, rotated: true},
		"the previous one": {previous: secret},
		"the new one can't be read": {
			statement, secret, false, []string{"rfc2136.tsig of", "not in base64", "key next of Secret xmppfed-system/fed-tsig-2"},
		},
		"the previous one can't be read": {
			secret, statement, true, []string{"rfc2136.previousTSIG of", "not in base64", "key previous of Secret xmppfed-system/fed-tsig"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			secrets := controllers.ZoneSecrets{}
			for ref, value := range map[v1alpha1.SecretKey]string{
				spec.Provider.RFC2136.TSIG.SecretRef: test.next, spec.Provider.RFC2136.PreviousTSIG.SecretRef: test.previous,
			} {
				if value != "" {
					secrets[ref] = value
				}
			}
			p, err := newZoneProvider([]string{"203.0.113.53:53"}, nil, "xmppfed-system")(spec, secrets)
			if err != nil {
				t.Fatal(err)
			}
			keys := p.(interface {
				Rotated() bool
				OtherUnusable() error
			})
			if keys.Rotated() != test.rotated {
				t.Errorf("the new key is in use: %t, want %t", keys.Rotated(), test.rotated)
			}
			wantMentions(t, keys.OtherUnusable(), test.unusable...)
		})
	}
}

func TestWithTwoKeysThatCannotBeReadTheErrorNamesOne(t *testing.T) {
	spec := twoKeys()
	next, previous := spec.Provider.RFC2136.TSIG.SecretRef, spec.Provider.RFC2136.PreviousTSIG.SecretRef
	for name, test := range map[string]struct {
		secrets  controllers.ZoneSecrets
		mentions []string
	}{
		"both": {
			controllers.ZoneSecrets{next: "no base64", previous: "no base64"},
			[]string{"rfc2136.tsig of the DNSZone for cupdomain.com", "key next of Secret xmppfed-system/fed-tsig-2"},
		},
		"the previous, as the new is missing": {
			controllers.ZoneSecrets{previous: "no base64"},
			[]string{"rfc2136.previousTSIG of the DNSZone for cupdomain.com", "key previous of Secret xmppfed-system/fed-tsig"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newZoneProvider([]string{"203.0.113.53:53"}, nil, "xmppfed-system")(spec, test.secrets)
			wantMentions(t, err, test.mentions...)
		})
	}
}

// wantMentions checks that an error says all of it; none is wanted if there is nothing to say.
func wantMentions(t *testing.T, err error, mentions ...string) {
	t.Helper()
	if (err != nil) != (len(mentions) > 0) {
		t.Fatalf("got error %v, want one that mentions %q", err, mentions)
	}
	for _, mention := range mentions {
		if !strings.Contains(err.Error(), mention) {
			t.Errorf("got error %v, want one that mentions %s", err, mention)
		}
	}
}
