// SPDX-License-Identifier: Apache-2.0

package operator

import (
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

func TestWithTwoKeysTheOneServesWhoseSecretIsThere(t *testing.T) {
	spec := v1alpha1.DNSZoneSpec{Zone: "cupdomain.com", Provider: v1alpha1.DNSProvider{RFC2136: &v1alpha1.RFC2136Provider{
		Servers:      []v1alpha1.ServerAddress{"203.0.113.53:53"},
		TSIG:         v1alpha1.TSIGKey{KeyName: "next-key", SecretRef: v1alpha1.SecretKey{Key: "next"}},
		PreviousTSIG: &v1alpha1.TSIGKey{KeyName: "fed-key", SecretRef: v1alpha1.SecretKey{Key: "previous"}},
	}}}
	const secret = "c2VjcmV0IG9mIGF0IGxlYXN0IDE2IGJ5dGVz"
	for _, test := range []struct {
		secrets controllers.ZoneSecrets
		rotated bool
	}{
		{controllers.ZoneSecrets{{Key: "next"}: secret, {Key: "previous"}: secret}, true},
		{controllers.ZoneSecrets{{Key: "next"}: secret}, true},
		{controllers.ZoneSecrets{{Key: "previous"}: secret}, false},
	} {
		p, err := newZoneProvider([]string{"203.0.113.53:53"}, nil, "xmppfed-system")(spec, test.secrets)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.(interface{ Rotated() bool }).Rotated(); got != test.rotated {
			t.Errorf("with %d secrets the new key is in use: %t, want %t", len(test.secrets), got, test.rotated)
		}
	}
}
