// SPDX-License-Identifier: Apache-2.0

package prosody

import (
	"embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/xmppfed/xmppfed/internal/engine"
)

//go:embed files
var files embed.FS

// modules are the Lua modules mounted beside the configuration, and the libraries they share.
var modules = []string{
	"mod_auth_xmppfed.lua",
	"mod_xmppfed.lua",
	"mod_xmppfed_accounts.lua",
	"mod_xmppfed_capabilities.lua",
	"mod_xmppfed_connections.lua",
	"mod_xmppfed_dialback.lua",
	"mod_xmppfed_garbage.lua",
	"mod_xmppfed_history.lua",
	"mod_xmppfed_offline.lua",
	"mod_xmppfed_outgoing.lua",
	"mod_xmppfed_peers.lua",
	"mod_xmppfed_ping.lua",
	"mod_xmppfed_presence.lua",
	"mod_xmppfed_rate.lua",
	"mod_xmppfed_requests.lua",
	"mod_xmppfed_returns.lua",
	"mod_xmppfed_rooms.lua",
	"mod_xmppfed_route.lua",
	"mod_xmppfed_sessions.lua",
	"mod_xmppfed_slow.lua",
	"mod_xmppfed_status.lua",
	"mod_xmppfed_strangers.lua",
	"mod_xmppfed_trace.lua",
	"mod_xmppfed_unacked.lua",
	"mod_xmppfed_unfinished.lua",
	"mod_xmppfed_volume.lua",
	"xmppfed_buckets.lib.lua",
	"xmppfed_cut.lib.lua",
	"xmppfed_entries.lib.lua",
	"xmppfed_group.lib.lua",
	"xmppfed_journal.lib.lua",
	"xmppfed_ledger.lib.lua",
	"xmppfed_lines.lib.lua",
	"xmppfed_lists.lib.lua",
	"xmppfed_logins.lib.lua",
	"xmppfed_memory.lib.lua",
	"xmppfed_policy.lib.lua",
	"xmppfed_queues.lib.lua",
	"xmppfed_scram.lib.lua",
	"xmppfed_sent.lib.lua",
	"xmppfed_session.lib.lua",
	"xmppfed_shares.lib.lua",
	"xmppfed_token.lib.lua",
	"xmppfed_weight.lib.lua",
	"xmppfed_xml.lib.lua",
}

var configTemplate = template.Must(template.ParseFS(files, "files/prosody.cfg.lua.tmpl"))

// configValues fill the template. Every string is a [literal].
type configValues struct {
	Generation literal
	TrustedCAs bool
	// DirectTLS is for servers, ClientDirectTLS for clients.
	DirectTLS, ClientDirectTLS bool
	Hosts                      []hostValues
	Limits                     []setting
	SendQueue, SendBuffer      int
	// Rooms are services without a host of their own.
	Rooms []literal
}

type hostValues struct {
	Domain, GroupChat literal
}

// Render implements [engine.Engine].
func (Engine) Render(in engine.Input) (engine.Config, error) {
	if err := validate(in); err != nil {
		return engine.Config{}, err
	}
	return render(in)
}

// render builds the files without judging the input: quoting alone has to keep
// values from becoming code. The generation covers the configuration as it is
// without a generation, and everything beside it.
func render(in engine.Input) (engine.Config, error) {
	out := map[string]string{}
	for _, name := range modules {
		text, err := files.ReadFile("files/" + name)
		if err != nil {
			return engine.Config{}, fmt.Errorf("reading embedded module: %w", err)
		}
		out[name] = string(text)
	}
	if in.TrustedCAs != "" {
		out[trustedCAsFile] = in.TrustedCAs
	}
	var err error
	if out[peersFile], err = renderPeers(in); err != nil {
		return engine.Config{}, err
	}
	if out[configFile], err = renderConfig(in, ""); err != nil {
		return engine.Config{}, err
	}
	generation := engine.Generation(out)
	if out[configFile], err = renderConfig(in, generation); err != nil {
		return engine.Config{}, err
	}
	return engine.Config{Files: out, Generation: generation}, nil
}

func renderConfig(in engine.Input, generation string) (string, error) {
	values := configValues{
		Generation: quote(generation), TrustedCAs: in.TrustedCAs != "",
		DirectTLS: in.DirectTLS, ClientDirectTLS: in.ClientDirectTLS,
		Limits: settings(), SendQueue: sendQueue, SendBuffer: maxSendBuffer,
	}
	for _, domain := range in.Domains {
		host := hostValues{Domain: quote(domain)}
		if in.GroupChat != "" {
			host.GroupChat = quote(groupChatHost(in.GroupChat, domain))
		}
		values.Hosts = append(values.Hosts, host)
	}
	for _, former := range in.Former {
		if former.GroupChat {
			values.Rooms = append(values.Rooms, quote(former.Domain))
		} else {
			values.Hosts = append(values.Hosts, hostValues{Domain: quote(former.Domain)})
		}
	}
	var b strings.Builder
	if err := configTemplate.Execute(&b, values); err != nil {
		return "", fmt.Errorf("rendering prosody configuration: %w", err)
	}
	return b.String(), nil
}
