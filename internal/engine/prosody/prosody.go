// SPDX-License-Identifier: Apache-2.0

// Package prosody runs Prosody 0.12 and 13.0 (https://prosody.im) as the XMPP
// server. One configuration serves both versions; modules of ours take over
// changes without a restart, hold streams to the policies of peers, and report
// the live state (files/mod_xmppfed*.lua).
package prosody

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/xmppfed/xmppfed/internal/engine"
)

// Engine implements [engine.Engine].
type Engine struct{}

var _ engine.Engine = Engine{}

// hostname matches lower-case A-labels (RFC 5890) of at least one label.
var hostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// Check implements [engine.Engine]. Prosody keeps sessions and rooms in one
// process and has no clustering, so a second pod would receive stanzas for
// users it doesn't have. A room service of its own is no partner: it never
// opens a stream to it.
func (Engine) Check(in engine.Input) error {
	if in.Replicas > 1 {
		return &engine.UnsupportedError{
			Field:   "spec.server.replicas",
			Message: fmt.Sprintf("Prosody has no clustering and cannot run as %d replicas; set replicas to 1", in.Replicas),
		}
	}
	for _, domain := range in.Domains {
		rooms := groupChatHost(in.GroupChat, domain)
		if slices.ContainsFunc(in.Peers, func(p engine.Peer) bool { return p.Domain == rooms }) {
			return &engine.UnsupportedError{
				Field:   "spec.peers",
				Message: fmt.Sprintf("%s is the group chat service of %s and no partner; take it out", rooms, domain),
			}
		}
	}
	return validate(in)
}

// validate refuses what would give a configuration that Prosody loads
// differently from what was meant.
func validate(in engine.Input) error {
	if len(in.Domains) == 0 {
		return fmt.Errorf("rendering prosody configuration: no domains")
	}
	if in.GroupChat != "" && !hostname.MatchString(in.GroupChat) {
		return fmt.Errorf("rendering prosody configuration: group chat subdomain %q is not a lower-case host name", in.GroupChat)
	}
	taken := map[string]struct{}{}
	claim := func(name string) error {
		if !isHostname(name) {
			return fmt.Errorf("rendering prosody configuration: %q is not a lower-case domain name", name)
		}
		if _, ok := taken[name]; ok {
			return fmt.Errorf("rendering prosody configuration: %q is both a domain and a group chat service, or is listed twice", name)
		}
		taken[name] = struct{}{}
		return nil
	}
	for _, domain := range in.Domains {
		if err := claim(domain); err != nil {
			return err
		}
		if in.GroupChat != "" {
			if err := claim(groupChatHost(in.GroupChat, domain)); err != nil {
				return err
			}
		}
	}
	for _, former := range in.Former {
		if err := claim(former.Domain); err != nil {
			return err
		}
	}
	return validatePeers(in)
}

// groupChatHost is the domain of the room service that belongs to domain.
func groupChatHost(subdomain, domain string) string {
	return subdomain + "." + domain
}
