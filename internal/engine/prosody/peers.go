// SPDX-License-Identifier: Apache-2.0

package prosody

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// peers is the contents of peers.json. It stands beside the configuration, not in it, because Prosody's own modules
// would have to be reloaded to read another configuration; files/xmppfed_policy.lib.lua is the reader.
type peers struct {
	// Rooms and Accounts say for whom these are besides our own users.
	Rooms    v1alpha1.Audience   `json:"rooms"`
	Accounts v1alpha1.Audience   `json:"accounts"`
	Defaults v1alpha1.PeerPolicy `json:"defaults"`
	Peers    map[string]peer     `json:"peers"`
}

type peer struct {
	v1alpha1.PeerPolicy
	// Rate is in bytes per second.
	Rate  int64  `json:"rate,omitempty"`
	Route *route `json:"route,omitempty"`
}

type route struct {
	Host string `json:"host"`
	Port uint16 `json:"port"`
}

func renderPeers(in engine.Input) (string, error) {
	out := peers{
		Rooms: cmp.Or(in.Rooms, v1alpha1.AudiencePeers), Accounts: cmp.Or(in.Accounts, v1alpha1.AudiencePeers),
		Defaults: in.PeerDefaults, Peers: map[string]peer{},
	}
	for _, p := range in.Peers {
		rendered := peer{PeerPolicy: p.Policy, Rate: p.Rate}
		if p.Route != nil {
			rendered.Route = &route{Host: p.Route.Host, Port: p.Route.Port}
		}
		out.Peers[p.Domain] = rendered
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return "", fmt.Errorf("rendering policies of peers: %w", err)
	}
	return string(text) + "\n", nil
}

// validatePeers refuses policies that say nothing, or not clearly for which domain.
func validatePeers(in engine.Input) error {
	if err := validateAudiences(in); err != nil {
		return err
	}
	if err := validatePolicy(in.PeerDefaults); err != nil {
		return fmt.Errorf("rendering defaults for peers: %w", err)
	}
	listed := map[string]struct{}{}
	for _, p := range in.Peers {
		if !isHostname(p.Domain) {
			return fmt.Errorf("rendering policies of peers: %q is not a lower-case domain name", p.Domain)
		}
		if _, ok := listed[p.Domain]; ok {
			return fmt.Errorf("rendering policies of peers: %q is listed twice", p.Domain)
		}
		listed[p.Domain] = struct{}{}
		if err := validatePolicy(p.Policy); err != nil {
			return fmt.Errorf("rendering policy of %q: %w", p.Domain, err)
		}
		if p.Route != nil && (p.Route.Port == 0 || !isHostname(p.Route.Host) && !isAddress(p.Route.Host)) {
			return fmt.Errorf("rendering route of %q: %q port %d is no place", p.Domain, p.Route.Host, p.Route.Port)
		}
	}
	return nil
}

func validateAudiences(in engine.Input) error {
	rooms := []v1alpha1.Audience{"", v1alpha1.AudienceMembers, v1alpha1.AudiencePeers, v1alpha1.AudienceEveryone}
	accounts := []v1alpha1.Audience{"", v1alpha1.AudienceContacts, v1alpha1.AudiencePeers, v1alpha1.AudienceEveryone}
	switch {
	case !slices.Contains(rooms, in.Rooms):
		return fmt.Errorf("rendering access to rooms: %q is unknown", in.Rooms)
	case !slices.Contains(accounts, in.Accounts):
		return fmt.Errorf("rendering visibility of accounts: %q is unknown", in.Accounts)
	}
	return nil
}

func validatePolicy(p v1alpha1.PeerPolicy) error {
	access := []v1alpha1.PeerAccess{v1alpha1.PeerAccessAllow, v1alpha1.PeerAccessDeny}
	tls := []v1alpha1.PeerTLS{v1alpha1.PeerTLSRequired, v1alpha1.PeerTLSOptional, v1alpha1.PeerTLSDisabled}
	authentication := []v1alpha1.PeerAuthentication{
		v1alpha1.PeerAuthenticationCertificate,
		v1alpha1.PeerAuthenticationCertificateOrDialback,
		v1alpha1.PeerAuthenticationDialback,
	}
	switch {
	case !slices.Contains(access, p.Access):
		return fmt.Errorf("access %q is unknown", p.Access)
	case !slices.Contains(tls, p.TLS):
		return fmt.Errorf("tls %q is unknown", p.TLS)
	case !slices.Contains(authentication, p.Authentication):
		return fmt.Errorf("authentication %q is unknown", p.Authentication)
	}
	return nil
}

func isHostname(s string) bool { return hostname.MatchString(s) && len(s) <= 253 }

func isAddress(s string) bool {
	address, err := netip.ParseAddr(s)
	return err == nil && address.Zone() == ""
}
