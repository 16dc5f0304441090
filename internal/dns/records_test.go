// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/dns"
)

func TestRecordsHavePresentationForm(t *testing.T) {
	srv := dns.SRVRecord(dns.ServiceXMPPServer, "CupDomain.com", 300, dns.SRV{Port: 5269, Target: "cup1.cupdomain.com"})
	if got, want := srv.Key().String(), "SRV _xmpp-server._tcp.cupdomain.com"; got != want {
		t.Errorf("got key %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"0 0 5269 cup1.cupdomain.com."}, srv.Strings()); diff != "" {
		t.Error(diff)
	}
	text := dns.TXT{`a "b" \`, "\x00é"}
	if got, want := text.String(), `"a \"b\" \\" "\000\195\169"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := dns.TypeName(65); got != "TYPE65" {
		t.Errorf("got %q, want TYPE65", got)
	}
}

func TestAddressRecordsSplitFamilies(t *testing.T) {
	addresses := []netip.Addr{
		netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("203.0.113.131"), netip.MustParseAddr("::ffff:203.0.113.130"), {},
	}
	sets := dns.AddressRecords("cup1.cupdomain.com", 300, addresses)
	var got [][]string
	for _, s := range sets {
		got = append(got, append([]string{s.Key().String()}, s.Strings()...))
	}
	want := [][]string{{"A cup1.cupdomain.com", "203.0.113.130", "203.0.113.131"}, {"AAAA cup1.cupdomain.com", "2001:db8::5"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if sets := dns.AddressRecords("cup1.cupdomain.com", 300, nil); len(sets) != 0 {
		t.Errorf("got %v for no addresses, want nothing", sets)
	}
}

func TestARecordSetIsReadBackFromItsText(t *testing.T) {
	addresses := []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("2001:db8::5")}
	sets := append(dns.AddressRecords("cup1.cupdomain.com", 300, addresses),
		dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 60, dns.SRV{Priority: 1, Weight: 2, Port: 5269, Target: "cup1.cupdomain.com"}))
	for _, set := range sets {
		got, err := dns.ParseRRset(dns.Display(set.Name), set.TypeName(), set.TTL, set.Strings())
		if err != nil || !got.Equal(set) {
			t.Errorf("got %v, %v, want %v", got, err, set)
		}
	}
	for name, broken := range map[string]struct{ typeName, data string }{
		"An address that is none":          {"A", "cup1.cupdomain.com."},
		"A service record without target":  {"SRV", "0 0 5269"},
		"A service record without numbers": {"SRV", "cup1.cupdomain.com."},
		"A port beyond 16 bits":            {"SRV", "0 0 65536 cup1.cupdomain.com."},
		"A type that is not published":     {"TXT", `"v=xf1"`},
		"A type that does not exist":       {"EVIL", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			if set, err := dns.ParseRRset("cupdomain.com", broken.typeName, 300, []string{broken.data}); err == nil {
				t.Errorf("got %v, want an error", set)
			}
		})
	}
}

func TestSetsAreComparedWithoutOrder(t *testing.T) {
	a := dns.AddressRecords("a.example", 60, []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")})[0]
	b := dns.AddressRecords("a.example", 90, []netip.Addr{netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("203.0.113.1")})[0]
	if !a.SameData(b) || a.Equal(b) {
		t.Errorf("%v and %v: want the same data but another TTL", a, b)
	}
}

func TestZoneForTakesTheLongestApexOnLabelBoundaries(t *testing.T) {
	tests := map[string]struct {
		name   string
		apexes []string
		want   string
	}{
		"The apex itself lies in the zone":             {"cupdomain.com", []string{"com", "cupdomain.com"}, "cupdomain.com"},
		"The longest one wins in any order":            {"a.eu.cupdomain.com", []string{"eu.cupdomain.com", "cupdomain.com"}, "eu.cupdomain.com"},
		"Half a label does not count":                  {"foocupdomain.com", []string{"cupdomain.com"}, ""},
		"Case and trailing dot do not matter":          {"A.CUPDOMAIN.com.", []string{"cupdomain.com"}, "cupdomain.com"},
		"The root covers what nothing else does":       {"a.example", []string{".", "cupdomain.com"}, "."},
		"A zone below the name does not cover it":      {"cupdomain.com", []string{"eu.cupdomain.com"}, ""},
		"Without zones there is none for any name":     {"cupdomain.com", nil, ""},
		"The result is the apex as it was given to us": {"a.cupdomain.com", []string{"CupDomain.com."}, "CupDomain.com."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := dns.ZoneFor(test.name, test.apexes)
			if got != test.want || ok != (test.want != "") {
				t.Errorf("got %q %t, want %q", got, ok, test.want)
			}
		})
	}
}
