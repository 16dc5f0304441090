// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

var (
	chatSRV   = dns.SRVRecord(dns.ServiceXMPPServer, "conference.cupdomain.com", 300, dns.SRV{Port: 5269, Target: "cup1.cupdomain.com."})
	chatUnit  = dns.Unit{Anchor: "cupdomain.com", Records: []dns.RRset{chatSRV}}
	ownDomain = dns.Key{Name: "own._xmppfed.cupdomain.com.", Type: dns.TypeTXT}
	index     = dns.Key{Name: owner.ID + "._xmppfed.cupdomain.com.", Type: dns.TypeTXT}
)

func newSigner(t *testing.T, key string) dns.Signer {
	t.Helper()
	signer, err := dns.NewSigner([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// published is a zone in which the owner has a domain and a host.
func published(t *testing.T) *dnstest.Memory {
	t.Helper()
	m := dnstest.NewMemory("cupdomain.com")
	if _, err := converge(t, m, chatUnit, hostUnit("203.0.113.130")); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFindTellsWhetherAZoneHasAnythingOfAnOwner(t *testing.T) {
	const key = "a key for tests, long enough"
	names := []string{"cupdomain.com", "cup1.cupdomain.com"}
	for name, test := range map[string]struct {
		drop  []dns.Key
		key   string
		names []string
		owner dns.Owner
		want  dns.Trace
	}{
		"its index":                           {nil, key, nil, owner, dns.TraceOurs},
		"no index, but a name":                {[]dns.Key{index}, key, names, owner, dns.TraceOurs},
		"no index, and nobody asks for names": {[]dns.Key{index}, key, nil, owner, dns.TraceNone},
		"the signature of another key":        {nil, "another key that is long enough", names, owner, dns.TraceForged},
		"only what is another owner's":        {nil, key, names, dns.Owner{ID: "owner002"}, dns.TraceNone},
	} {
		t.Run(name, func(t *testing.T) {
			m := published(t)
			m.Edit(dns.Change{Drop: test.drop})
			got, err := dns.Find(t.Context(), m, newSigner(t, test.key), test.owner, test.names...)
			if err != nil || got != test.want {
				t.Errorf("got %d, %v, want %d", got, err, test.want)
			}
		})
	}
	m := published(t)
	m.Fail(&dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "no answer"})
	if _, err := dns.Find(t.Context(), m, newSigner(t, key), owner); err == nil {
		t.Error("a zone that does not answer was taken for one that has nothing")
	}
}

func TestNamesThatTheIndexDoesNotListAreReleasedToo(t *testing.T) {
	m := published(t)
	m.Edit(dns.Change{Drop: []dns.Key{index}})
	of := owner
	of.Anchors = []string{"cupdomain.com", "cup1.cupdomain.com", "conference.cupdomain.com", "example.org"}
	signer := newSigner(t, "a key for tests, long enough")
	if _, err := dns.Converge(t.Context(), m, signer, of, []dns.Unit{hostUnit("203.0.113.130")}); err != nil {
		t.Fatal(err)
	}
	if left, err := m.Get(t.Context(), chatSRV.Key(), ownDomain); err != nil || len(left) > 0 {
		t.Errorf("what is not wanted stands: %v, %v", left, err)
	}
	if _, err := dns.Converge(t.Context(), m, signer, of, nil); err != nil {
		t.Fatal(err)
	}
	if left := m.Dump(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestWhatStandsWithoutAnOwnershipRecordIsNamed(t *testing.T) {
	foreign := chatSRV
	foreign.Data = []dns.Data{dns.SRV{Port: 5269, Target: "other.example.com."}}
	wildcard := chatSRV
	wildcard.Name = "*.cupdomain.com."
	shared := chatSRV
	shared.Shared = true
	both := chatSRV
	both.Data = append(both.Data[:1:1], foreign.Data...)
	other := func(t *testing.T, m *dnstest.Memory, unit dns.Unit) {
		signer := newSigner(t, "a key of another cluster")
		if _, err := dns.Converge(t.Context(), m, signer, dns.Owner{ID: "owner002"}, []dns.Unit{unit}); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		published dns.RRset
		stands    func(*testing.T, *dnstest.Memory)
		named     bool
	}{
		"nothing":        {chatSRV, func(*testing.T, *dnstest.Memory) {}, false},
		"what was ours":  {chatSRV, func(_ *testing.T, m *dnstest.Memory) { m.Edit(dns.Change{Put: []dns.RRset{chatSRV}}) }, true},
		"something else": {chatSRV, func(_ *testing.T, m *dnstest.Memory) { m.Edit(dns.Change{Put: []dns.RRset{foreign}}) }, false},
		"a wildcard":     {chatSRV, func(_ *testing.T, m *dnstest.Memory) { m.Edit(dns.Change{Put: []dns.RRset{wildcard}}) }, false},
		"what another owner has by now, as it was": {chatSRV, func(t *testing.T, m *dnstest.Memory) { other(t, m, chatUnit) }, false},
		"our part beside others' parts":            {shared, func(_ *testing.T, m *dnstest.Memory) { m.Edit(dns.Change{Put: []dns.RRset{both}}) }, true},
		"the same part of another who shares it": {shared, func(t *testing.T, m *dnstest.Memory) {
			other(t, m, dns.Unit{Anchor: "cupdomain.com", Records: []dns.RRset{shared}})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := dnstest.NewMemory("cupdomain.com")
			test.stands(t, m)
			err := dns.Unproven(t.Context(), m, newSigner(t, "a key for tests, long enough"), owner, []dns.RRset{test.published})
			if !test.named {
				if err != nil {
					t.Errorf("got %v, want nothing", err)
				}
				return
			}
			e := want(t, err, v1alpha1.ReasonOwnershipLost, true)
			command := "update delete _xmpp-server._tcp.conference.cupdomain.com. SRV"
			if test.published.Shared {
				command += " 0 0 5269 cup1.cupdomain.com."
			}
			if !strings.Contains(e.Message, command+")") {
				t.Errorf("%q lacks %q", e.Message, command)
			}
		})
	}
}
