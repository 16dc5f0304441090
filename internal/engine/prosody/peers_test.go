// SPDX-License-Identifier: Apache-2.0

package prosody

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

func TestPoliciesOfPeersStandInAFileOfTheirOwn(t *testing.T) {
	in := engine.Input{
		Domains:      []string{"cupdomain.com"},
		PeerDefaults: strict, Rooms: v1alpha1.AudienceMembers,
		Peers: []engine.Peer{
			{Domain: "webex.example", Policy: strict, Route: &engine.Route{Host: "xmpp.webex.example", Port: 25269}},
			{Domain: "gmail.com", Policy: plain, Rate: 500000},
		},
	}
	want := `{
  "rooms": "Members",
  "accounts": "Peers",
  "defaults": {
    "access": "Allow",
    "tls": "Required",
    "authentication": "Certificate"
  },
  "peers": {
    "gmail.com": {
      "access": "Allow",
      "tls": "Disabled",
      "authentication": "Dialback",
      "rate": 500000
    },
    "webex.example": {
      "access": "Allow",
      "tls": "Required",
      "authentication": "Certificate",
      "route": {
        "host": "xmpp.webex.example",
        "port": 25269
      }
    }
  }
}
`
	rendered := mustRender(t, in)
	if diff := cmp.Diff(want, rendered.Files[peersFile]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	in.Peers = []engine.Peer{in.Peers[1], in.Peers[0]}
	if again := mustRender(t, in); again.Generation != rendered.Generation {
		t.Error("the order of peers changes the generation")
	}
	in.Peers = nil
	if got := mustRender(t, in).Files[configFile]; len(got) != len(rendered.Files[configFile]) {
		t.Error("peers change the configuration itself")
	}
}

func TestRenderRefusesPoliciesThatSayNothing(t *testing.T) {
	peer := func(domain string, change func(*engine.Peer)) []engine.Peer {
		p := engine.Peer{Domain: domain, Policy: strict}
		change(&p)
		return []engine.Peer{p}
	}
	nothing := func(*engine.Peer) {}
	routed := func(host string, port uint16) []engine.Peer {
		return peer("a.com", func(p *engine.Peer) { p.Route = &engine.Route{Host: host, Port: port} })
	}
	for name, test := range map[string]struct {
		defaults v1alpha1.PeerPolicy
		peers    []engine.Peer
		valid    bool
	}{
		"defaults alone":                    {strict, nil, true},
		"a route by name":                   {strict, routed("xmpp.a.com", 5269), true},
		"a route by IPv4 address":           {strict, routed("203.0.113.20", 5269), true},
		"a route by IPv6 address":           {strict, routed("2001:db8::1", 5269), true},
		"no defaults":                       {v1alpha1.PeerPolicy{}, nil, false},
		"defaults without authentication":   {v1alpha1.PeerPolicy{Access: "Allow", TLS: "Required"}, nil, false},
		"an unknown value":                  {v1alpha1.PeerPolicy{Access: "allow", TLS: "Required", Authentication: "Certificate"}, nil, false},
		"a peer without TLS policy":         {strict, peer("a.com", func(p *engine.Peer) { p.Policy.TLS = "" }), false},
		"a peer without access policy":      {strict, peer("a.com", func(p *engine.Peer) { p.Policy.Access = "" }), false},
		"a peer that is a wildcard":         {strict, peer("*.a.com", nothing), false},
		"a peer in upper case":              {strict, peer("A.com", nothing), false},
		"a peer with a trailing dot":        {strict, peer("a.com.", nothing), false},
		"a peer without a name":             {strict, peer("", nothing), false},
		"the same peer twice":               {strict, append(peer("a.com", nothing), peer("a.com", nothing)...), false},
		"a route without port":              {strict, routed("xmpp.a.com", 0), false},
		"a route without host":              {strict, routed("", 5269), false},
		"a route to a name with an outlier": {strict, routed("xmpp.a.com\"", 5269), false},
		"a route into a zone of the host":   {strict, routed("fe80::1%eth0", 5269), false},
	} {
		t.Run(name, func(t *testing.T) {
			in := engine.Input{Domains: []string{"cupdomain.com"}, PeerDefaults: test.defaults, Peers: test.peers}
			if _, err := (Engine{}).Render(in); (err == nil) != test.valid {
				t.Errorf("rendered: %v", err)
			}
			if err := (Engine{}).Check(in); (err == nil) != test.valid {
				t.Errorf("checked: %v", err)
			}
		})
	}
}
