// SPDX-License-Identifier: Apache-2.0

package prosody

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// strict is the policy of a Federation that says nothing.
var strict = v1alpha1.PeerPolicy{
	Access: v1alpha1.PeerAccessAllow, TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificate,
}

// plain is the policy for a partner without TLS.
var plain = v1alpha1.PeerPolicy{
	Access: v1alpha1.PeerAccessAllow, TLS: v1alpha1.PeerTLSDisabled, Authentication: v1alpha1.PeerAuthenticationDialback,
}

// goldens are inputs by the name of their golden file.
var goldens = map[string]engine.Input{
	"one-domain": {Domains: []string{"cupdomain.com"}, PeerDefaults: strict},
	"group-chat-trusted-cas": {
		Domains: []string{"cupdomain.com", "example.org"}, GroupChat: "conference", TrustedCAs: "PEM\n", PeerDefaults: strict,
	},
	"former": {
		Domains: []string{"cupdomain.com"}, GroupChat: "rooms", PeerDefaults: strict,
		Former: []engine.Host{{Domain: "conference.cupdomain.com", GroupChat: true}, {Domain: "example.org"}},
	},
	"direct-tls": {Domains: []string{"cupdomain.com"}, TrustedCAs: "PEM\n", DirectTLS: true, ClientDirectTLS: true, PeerDefaults: strict},
}

func TestRenderedConfigurationIsTheGoldenOne(t *testing.T) {
	for name, input := range goldens {
		t.Run(name, func(t *testing.T) {
			// Goldens show the configuration; a change of a module's text shouldn't touch them.
			got, err := renderConfig(input, "0123456789abcdef")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("run the test with -update if this is meant (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRenderedCodeIsTakenOverWithoutARestart(t *testing.T) {
	rendered := mustRender(t, engine.Input{Domains: []string{"cupdomain.com"}, PeerDefaults: strict}).Files
	_, list, _ := strings.Cut(rendered["mod_xmppfed.lua"], "local code_files = {")
	list, _, _ = strings.Cut(list, "};")
	for name := range rendered {
		if code, isCode := strings.CutSuffix(name, ".lua"); isCode && name != configFile && !strings.Contains(list, `"`+code+`"`) {
			t.Errorf("mod_xmppfed.lua does not look for changes of %s", name)
		}
	}
}

// The clock of a node can be set back, and what waits by it would wait for hours.
func TestRenderedCodeWaitsByTheMonotonicClock(t *testing.T) {
	const remembers = "xmppfed_logins.lib.lua" // over restarts, in days
	for name, text := range mustRender(t, engine.Input{Domains: []string{"cupdomain.com"}, PeerDefaults: strict}).Files {
		if strings.Contains(text, `"util.time".now`) && name != remembers {
			t.Errorf("%s reads the clock of the node", name)
		}
	}
}

func TestRenderGivesAllFilesAndAGenerationThatFollowsThem(t *testing.T) {
	base := engine.Input{Domains: []string{"cupdomain.com"}, GroupChat: "conference", PeerDefaults: strict}
	first := mustRender(t, base)
	want := []string{
		"mod_auth_xmppfed.lua", "mod_xmppfed.lua", "mod_xmppfed_accounts.lua", "mod_xmppfed_capabilities.lua",
		"mod_xmppfed_connections.lua",
		"mod_xmppfed_dialback.lua", "mod_xmppfed_garbage.lua", "mod_xmppfed_history.lua", "mod_xmppfed_offline.lua", "mod_xmppfed_outgoing.lua",
		"mod_xmppfed_peers.lua", "mod_xmppfed_ping.lua",
		"mod_xmppfed_presence.lua", "mod_xmppfed_rate.lua", "mod_xmppfed_requests.lua", "mod_xmppfed_returns.lua", "mod_xmppfed_rooms.lua", "mod_xmppfed_route.lua",
		"mod_xmppfed_sessions.lua", "mod_xmppfed_slow.lua",
		"mod_xmppfed_status.lua", "mod_xmppfed_strangers.lua", "mod_xmppfed_trace.lua", "mod_xmppfed_unacked.lua",
		"mod_xmppfed_unfinished.lua",
		"mod_xmppfed_volume.lua", "peers.json", "prosody.cfg.lua",
		"xmppfed_buckets.lib.lua", "xmppfed_cut.lib.lua", "xmppfed_entries.lib.lua", "xmppfed_group.lib.lua", "xmppfed_journal.lib.lua",
		"xmppfed_ledger.lib.lua", "xmppfed_lines.lib.lua", "xmppfed_lists.lib.lua", "xmppfed_logins.lib.lua", "xmppfed_memory.lib.lua",
		"xmppfed_policy.lib.lua", "xmppfed_queues.lib.lua", "xmppfed_scram.lib.lua", "xmppfed_sent.lib.lua", "xmppfed_session.lib.lua",
		"xmppfed_shares.lib.lua", "xmppfed_token.lib.lua",
		"xmppfed_weight.lib.lua", "xmppfed_xml.lib.lua",
	}
	if got := slices.Sorted(maps.Keys(first.Files)); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if line := `xmppfed_generation = "` + first.Generation + `"`; !strings.Contains(first.Files[configFile], line) {
		t.Errorf("configuration doesn't say %q", line)
	}
	if again := mustRender(t, base); !cmp.Equal(first, again) {
		t.Error("the same input gives another configuration")
	}
	withCAs := base
	withCAs.TrustedCAs = "PEM"
	otherCAs := base
	otherCAs.TrustedCAs = "other PEM"
	withDirectTLS := base
	withDirectTLS.DirectTLS = true
	withClientDirectTLS := base
	withClientDirectTLS.ClientDirectTLS = true
	if got := mustRender(t, withCAs).Files[trustedCAsFile]; got != "PEM" {
		t.Errorf("ca.crt holds %q", got)
	}
	seen := map[string]engine.Input{first.Generation: base}
	otherDefaults := base
	otherDefaults.PeerDefaults = plain
	withPeer := base
	withPeer.Peers = []engine.Peer{{Domain: "gmail.com", Policy: plain}}
	withRoute := base
	withRoute.Peers = []engine.Peer{{Domain: "gmail.com", Policy: plain, Route: &engine.Route{Host: "::1", Port: 5269}}}
	for _, in := range []engine.Input{
		withCAs, otherCAs, withDirectTLS, withClientDirectTLS, otherDefaults, withPeer, withRoute,
		{Domains: []string{"cupdomain.com"}, PeerDefaults: strict},
		{Domains: []string{"other.com"}, PeerDefaults: strict},
	} {
		generation := mustRender(t, in).Generation
		if earlier, ok := seen[generation]; ok {
			t.Errorf("%+v and %+v have the same generation", earlier, in)
		}
		seen[generation] = in
	}
}

func mustRender(t *testing.T, in engine.Input) engine.Config {
	t.Helper()
	config, err := Engine{}.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestRenderRefusesWhatProsodyWouldReadDifferently(t *testing.T) {
	for name, in := range map[string]engine.Input{
		"no domain at all":                          {},
		"an empty domain":                           {Domains: []string{""}},
		"the global section's name":                 {Domains: []string{"*"}},
		"upper case":                                {Domains: []string{"CUPdomain.com"}},
		"a wildcard":                                {Domains: []string{"*.cupdomain.com"}},
		"a trailing dot":                            {Domains: []string{"cupdomain.com."}},
		"a U-label":                                 {Domains: []string{"münchen.example"}},
		"a line feed at the end":                    {Domains: []string{"cupdomain.com\n"}},
		"a label of 64 bytes":                       {Domains: []string{strings.Repeat("a", 64) + ".com"}},
		"a name of 254 bytes":                       {Domains: []string{strings.Repeat("a.", 126) + "aa"}},
		"a domain that is a former one, too":        {Domains: []string{"a.com"}, Former: []engine.Host{{Domain: "a.com"}}},
		"a quote in a former domain":                {Domains: []string{"a.com"}, Former: []engine.Host{{Domain: `"`, GroupChat: true}}},
		"the same domain twice":                     {Domains: []string{"a.com", "a.com"}},
		"a quote in the subdomain":                  {Domains: []string{"a.com"}, GroupChat: `"`},
		"a domain that is another one's group chat": {Domains: []string{"a.com", "rooms.a.com"}, GroupChat: "rooms"},
	} {
		t.Run(name, func(t *testing.T) {
			in.PeerDefaults = strict
			if _, err := (Engine{}).Render(in); err == nil {
				t.Error("rendered")
			}
			if err := (Engine{}).Check(in); err == nil {
				t.Error("checked")
			}
		})
	}
}
