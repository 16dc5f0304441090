// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

func badPeers() []badManifest {
	peer := func(name, text, field, message string) badManifest {
		return badManifest{name: name, spec: "peers: [{" + text + "}]", field: field, message: message}
	}
	defaults := func(name, text, field, message string) badManifest {
		return badManifest{name: name, spec: "peerDefaults: {" + text + "}", field: "spec.peerDefaults" + field, message: message}
	}
	const (
		needsDialback = "gmail.com: must be Dialback with tls Disabled: without TLS there is no certificate to look at"
		needsTLS      = "gmail.com: Certificate needs tls Required"
		needsAck      = "gmail.com: must be true unless tls is Required"
		notPartners   = "must not be an address of the server's own machine or link, nor of a group of machines"
		needsRanges   = "must be set with a host name and a port other than 5269 and 5270"
		notHost       = "must be an IP address or a lower-case host name of at least two labels, for example xmpp.partner.example"
		notRange      = "must be a network in CIDR form of at least /8, or /32 with IPv6"
		noWay         = "sets only one of tls and authentication and takes the other from spec.peerDefaults"
	)
	return []badManifest{
		defaults("defaults without TLS that want certificates", "tls: Disabled, acknowledgeInsecure: true", ".authentication", "must be Dialback"),
		defaults("defaults with optional TLS that want certificates", "tls: Optional, acknowledgeInsecure: true", ".authentication", "needs tls Required"),
		defaults("insecure defaults that nobody acknowledged", "tls: Optional, authentication: Dialback", ".acknowledgeInsecure", "must be true unless tls is Required"),
		defaults("an access that does not exist", "access: Maybe", ".access", "Unsupported value"),
		peer("a partner in capitals", "domain: Gmail.com", "spec.peers[0].domain", notDNSName),
		peer("a partner without a domain", "profile: Standard", "spec.peers[0].domain", "Required"),
		peer("a profile that does not exist", "domain: gmail.com, profile: Jabber", "spec.peers[0].profile", "Unsupported value"),
		peer("GoogleTalk that nobody acknowledged", "domain: gmail.com, profile: GoogleTalk", "spec.peers[0].acknowledgeInsecure", needsAck),
		peer("WebEx Connect that nobody acknowledged", "domain: gmail.com, profile: WebExConnect", "spec.peers[0].acknowledgeInsecure", needsAck),
		peer("GoogleTalk with certificates", "domain: gmail.com, profile: GoogleTalk, authentication: Certificate, acknowledgeInsecure: true",
			"spec.peers[0].authentication", needsDialback),
		peer("WebEx Connect with certificates", "domain: gmail.com, profile: WebExConnect, authentication: Certificate, acknowledgeInsecure: true",
			"spec.peers[0].authentication", needsTLS),
		peer("a partner without TLS and with certificates", "domain: gmail.com, tls: Disabled, authentication: CertificateOrDialback, acknowledgeInsecure: true",
			"spec.peers[0].authentication", needsDialback),
		peer("a partner without TLS that has no way to authenticate", "domain: gmail.com, tls: Disabled, acknowledgeInsecure: true", "spec.peers", noWay),
		peer("a partner with optional TLS that has no way to authenticate", "domain: gmail.com, tls: Optional, acknowledgeInsecure: true", "spec.peers", noWay),
		peer("a route to nowhere", "domain: gmail.com, route: {}", "spec.peers[0].route.host", "Required"),
		peer("a route to a URL", `domain: gmail.com, route: {host: "https://gmail.com"}`, "spec.peers[0].route.host", notHost),
		peer("a route to an address that is none", `domain: gmail.com, route: {host: "203.0.113.999"}`, "spec.peers[0].route.host", notHost),
		peer("a route to half an address", `domain: gmail.com, route: {host: "203.0.113"}`, "spec.peers[0].route.host", notHost),
		peer("a route to a number", `domain: gmail.com, route: {host: "3405803781"}`, "spec.peers[0].route.host", notHost),
		peer("a route to a name of one label", "domain: gmail.com, route: {host: partner}", "spec.peers[0].route.host", notHost),
		peer("a route to localhost", "domain: gmail.com, route: {host: localhost}", "spec.peers[0].route.host", notHost),
		peer("a route to a name of the own machine", "domain: gmail.com, route: {host: xmpp.localhost}", "spec.peers[0].route.host", ownName),
		peer("a route to a group of machines", `domain: gmail.com, route: {host: "224.0.0.1"}`, "spec.peers[0].route.host", notPartners),
		peer("a partner of the own machine", "domain: chat.localhost", "spec.peers[0].domain", ownName),
		peer("a partner that looks like an address", `domain: "203.0.113.999"`, "spec.peers[0].domain", "must be a DNS name, not an IP address"),
		peer("a route to port 0", "domain: gmail.com, route: {host: 203.0.113.20, port: 0}", "spec.peers[0].route.port", "greater than or equal to 1"),
		peer("a route to the server itself", "domain: gmail.com, route: {host: 127.0.0.1}", "spec.peers[0].route.host", notPartners),
		peer("a route to the cloud's metadata", "domain: gmail.com, route: {host: 169.254.169.254, port: 80}", "spec.peers[0].route.host", notPartners),
		peer("a route to link-local addresses", `domain: gmail.com, route: {host: "fe80::1"}`, "spec.peers[0].route.host", notPartners),
		peer("a route to no address", "domain: gmail.com, route: {host: 0.0.0.0}", "spec.peers[0].route.host", notPartners),
		peer("a route by name to a port that would be opened to everywhere", "domain: gmail.com, route: {host: xmpp.gmail.com, port: 6443}",
			"spec.peers[0].route.addressRanges", needsRanges),
		peer("a route by name with an empty list of ranges", "domain: gmail.com, route: {host: xmpp.gmail.com, port: 6443, addressRanges: []}",
			"spec.peers[0].route.addressRanges", needsRanges),
		peer("a route to everywhere", "domain: gmail.com, route: {host: xmpp.gmail.com, port: 6443, addressRanges: [0.0.0.0/0]}",
			"spec.peers[0].route.addressRanges[0]", notRange),
		peer("a route to everywhere by IPv6", `domain: gmail.com, route: {host: xmpp.gmail.com, port: 6443, addressRanges: ["::/0"]}`,
			"spec.peers[0].route.addressRanges[0]", notRange),
		peer("a range that is none", "domain: gmail.com, route: {host: xmpp.gmail.com, port: 6443, addressRanges: [gmail.com]}",
			"spec.peers[0].route.addressRanges[0]", notRange),
		peer("a range of loopback addresses", "domain: gmail.com, route: {host: xmpp.gmail.com, port: 6443, addressRanges: [127.0.0.0/16]}",
			"spec.peers[0].route.addressRanges[0]", notRange),
		peer("a range around the cloud's metadata", "domain: gmail.com, route: {host: xmpp.gmail.com, port: 80, addressRanges: [169.0.0.0/8]}",
			"spec.peers[0].route.addressRanges[0]", notRange),
		peer("a rate at which nothing gets through", "domain: gmail.com, kilobytesPerSecond: 1", "spec.peers[0].kilobytesPerSecond", "greater than or equal to 10"),
		{name: "a partner that is listed twice", spec: "peers: [{domain: gmail.com}, {domain: gmail.com}]", field: "spec.peers[1]", message: "Duplicate value"},
		{name: "a partner that is one of its own domains", spec: "{domains: [cupdomain.com, cup.example], peers: [{domain: cup.example}]}",
			field: "spec.peers", message: "a partner is somebody else"},
		{name: "the second of two partners at fault", spec: "peers: [{domain: one.example}, {domain: gmail.com, profile: GoogleTalk}]",
			field: "spec.peers[1].acknowledgeInsecure", message: needsAck},
		{name: "1001 partners", spec: "peers: " + list(1001, "{domain: p%d.example}"), field: "spec.peers", message: "must have at most 1000 items"},
		{name: "17 hosted services", spec: "verification: {hostedServices: " + list(17, "s%d.example") + "}", field: "spec.verification.hostedServices",
			message: "must have at most 16 items"},
		{name: "a hosted service in capitals", spec: "verification: {hostedServices: [Webex.com]}", field: "spec.verification.hostedServices[0]",
			message: notDNSName},
	}
}

// choices are an absent field and the values given.
func choices[T ~string](values ...T) []T { return append([]T{""}, values...) }

// The rules of admission and the code that applies profiles and defaults must agree on what a partner's policy is: every
// combination is tried, and those that leave no way to authenticate, or that nobody acknowledged, are refused.
func TestAdmissionAgreesWithThePoliciesThatAreEnforced(t *testing.T) {
	g := gomega.NewWithT(t)
	c := newClient(t)
	tls := choices(v1alpha1.PeerTLSRequired, v1alpha1.PeerTLSOptional, v1alpha1.PeerTLSDisabled)
	authentications := choices(v1alpha1.PeerAuthenticationCertificate, v1alpha1.PeerAuthenticationCertificateOrDialback,
		v1alpha1.PeerAuthenticationDialback)
	profiles := choices(v1alpha1.PeerProfileStandard, v1alpha1.PeerProfileCUP, v1alpha1.PeerProfileWebExConnect,
		v1alpha1.PeerProfileSametime, v1alpha1.PeerProfileGoogleTalk)
	counted := map[bool]int{}
	for _, defaults := range []v1alpha1.PeerDefaults{
		{TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificate},
		{TLS: v1alpha1.PeerTLSOptional, Authentication: v1alpha1.PeerAuthenticationCertificateOrDialback, AcknowledgeInsecure: true},
		{TLS: v1alpha1.PeerTLSDisabled, Authentication: v1alpha1.PeerAuthenticationDialback, AcknowledgeInsecure: true},
	} {
		for _, peer := range combinations(profiles, tls, authentications) {
			policy := peer.Policy(defaults)
			inherits := peer.TLS == "" && peer.Profile == "" && defaults.AcknowledgeInsecure
			good := (policy.TLS != v1alpha1.PeerTLSDisabled || policy.Authentication == v1alpha1.PeerAuthenticationDialback) &&
				(policy.TLS != v1alpha1.PeerTLSOptional || policy.Authentication != v1alpha1.PeerAuthenticationCertificate) &&
				(policy.TLS == v1alpha1.PeerTLSRequired || peer.AcknowledgeInsecure || inherits)
			spec := fmt.Sprintf("{peerDefaults: {tls: %s, authentication: %s, acknowledgeInsecure: %t}, peers: [%s]}",
				defaults.TLS, defaults.Authentication, defaults.AcknowledgeInsecure, manifestOf(peer))
			err := c.Create(t.Context(), object(t, "Federation", spec), client.DryRunAll, client.FieldValidation("Strict"))
			g.Expect(err == nil).To(gomega.Equal(good), "%s\neffective policy %+v, admission says: %v", spec, policy, err)
			counted[good]++
		}
	}
	t.Logf("%d combinations accepted, %d refused", counted[true], counted[false])
	g.Expect(counted[true]).To(gomega.BeNumerically(">", 50))
	g.Expect(counted[false]).To(gomega.BeNumerically(">", 50))
}

func combinations(profiles []v1alpha1.PeerProfile, tls []v1alpha1.PeerTLS, authentications []v1alpha1.PeerAuthentication) []v1alpha1.Peer {
	var all []v1alpha1.Peer
	for _, profile := range profiles {
		for _, t := range tls {
			for _, authentication := range authentications {
				for _, acknowledged := range []bool{false, true} {
					all = append(all, v1alpha1.Peer{
						Domain: "gmail.com", Profile: profile, TLS: t, Authentication: authentication, AcknowledgeInsecure: acknowledged,
					})
				}
			}
		}
	}
	return all
}

func manifestOf(peer v1alpha1.Peer) string {
	fields := []string{"domain: " + string(peer.Domain), fmt.Sprintf("acknowledgeInsecure: %t", peer.AcknowledgeInsecure)}
	for name, value := range map[string]string{
		"profile": string(peer.Profile), "tls": string(peer.TLS), "authentication": string(peer.Authentication),
	} {
		if value != "" {
			fields = append(fields, name+": "+value)
		}
	}
	return "{" + strings.Join(fields, ", ") + "}"
}
