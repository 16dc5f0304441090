// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"slices"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

func TestWhatIsSharedIsPartOfWhatIsSigned(t *testing.T) {
	signer := testSigner(t, keyToday)
	signed := signer.sign(testApex, anchorOwn.Name, marker{
		owner: us, epoch: 7, shared: true, keys: []Key{{Name: "_s._tcp.cupdomain.com.", Type: TypeSRV}}, data: []string{"0 0 5269 a."},
	})
	got, ok := parseMarker(signed.text(testApex), testApex)
	if valid, _ := signer.verify(testApex, anchorOwn.Name, got); !ok || !valid || !got.shared {
		t.Fatalf("got %+v, read %t, valid %t", got, ok, valid)
	}
	other, alone := got, got
	other.data = []string{"0 0 5269 b."}
	alone.shared = false
	for what, m := range map[string]marker{"other data": other, "not shared": alone} {
		if valid, _ := signer.verify(testApex, anchorOwn.Name, m); valid {
			t.Errorf("%s: valid", what)
		}
	}
}

func TestWhatStandsBesideASharedOwnershipRecord(t *testing.T) {
	key := Key{Name: "_s._tcp.cupdomain.com.", Type: TypeSRV}
	record := func(owner, secret string, shared bool) Data {
		m := marker{owner: owner, epoch: 1, shared: shared, keys: []Key{key}}
		if shared {
			m.data = []string{"0 0 5269 " + owner + "."}
		}
		return testSigner(t, secret).sign(testApex, anchorOwn.Name, m).text(testApex)
	}
	ours, theirs := record(us, keyToday, true), record(them, "the key of somebody else", true)
	tests := map[string]struct {
		data []Data
		want standing
	}{
		"ours alone":                         {[]Data{ours}, standingOurs},
		"ours and another's":                 {[]Data{ours, theirs}, standingOurs},
		"another's":                          {[]Data{theirs}, standingShared},
		"another's and one that shares not":  {[]Data{theirs, record("owner003", keyToday, false)}, standingOther},
		"another's and some text":            {[]Data{theirs, junk.Data[0]}, standingOther},
		"ours and some text":                 {[]Data{ours, junk.Data[0]}, standingForged},
		"ours twice":                         {[]Data{ours, record(us, keyYesterday, true)}, standingForged},
		"ours and one that shares not":       {[]Data{ours, record(them, keyToday, false)}, standingForged},
		"ours, which shares not, and theirs": {[]Data{record(us, keyToday, false), theirs}, standingForged},
		"ours, forged, and another's":        {[]Data{record(us, "the key of somebody else", true), theirs}, standingForged},
	}
	for what, test := range tests {
		p := testPlanner(t, false, nil, nil, RRset{Name: anchorOwn.Name, Type: TypeTXT, Data: test.data})
		if got := p.guard(anchorOwn).standing; got != test.want {
			t.Errorf("%s: standing is %d, want %d", what, got, test.want)
		}
		slices.Reverse(test.data)
		if got := p.guard(anchorOwn).standing; got != test.want {
			t.Errorf("%s, the other way round: standing is %d, want %d", what, got, test.want)
		}
	}
}

func TestWhatCanNotBeSharedIsRefused(t *testing.T) {
	service := func(name, target string, shared bool) RRset {
		set := SRVRecord(ServiceXMPPServer, name, 300, SRV{Port: 5269, Target: target})
		set.Shared = shared
		return set
	}
	address := hostA
	address.Shared = true
	long := strings.Repeat("a.", 100) + "cupdomain.com"
	tests := map[string][]Unit{
		"addresses":           {{Anchor: anchor, Records: []RRset{address}}},
		"a part of an anchor": {{Anchor: testApex, Records: []RRset{service("cupdomain.com", "a.", true), service("b.cupdomain.com", "a.", false)}}},
		"a name that is long": {{Anchor: long, Records: []RRset{service(long, long, true)}}},
	}
	for what, units := range tests {
		if got, err := mergeUnits(testApex, units); err == nil && len(got.refused) == 0 {
			t.Errorf("%s: want an error", what)
		}
	}
}

func TestSharingNeedsAProviderThatGuaranteesIt(t *testing.T) {
	set := SRVRecord(ServiceXMPPServer, "cupdomain.com", 300, SRV{Port: 5269, Target: "cup1.cupdomain.com"})
	m := testSigner(t, keyToday).sign(testApex, "own._xmppfed.cupdomain.com.", marker{
		owner: us, epoch: 1, shared: true, keys: []Key{set.Key()}, data: set.Strings(),
	})
	p := testPlanner(t, false, nil, nil,
		own(t, ourIndex, us, keyToday, 1, markerKey(testApex)), set,
		RRset{Name: "own._xmppfed.cupdomain.com.", Type: TypeTXT, Data: []Data{m.text(testApex)}})
	p.unguarded = true
	if got, err := p.plan(); err != nil || got.refused[testApex] == nil || got.refused[testApex].Reason != v1alpha1.ReasonUnsupportedByProvider {
		t.Errorf("got %v %v, want UnsupportedByProvider", got.refused, err)
	}
	p.unguarded = false
	got, err := p.plan()
	if err != nil || !slices.Contains(got.change.Drop, set.Key()) || !slices.Equal(got.change.Lost, []Key{set.Key()}) {
		t.Errorf("got %v %v, want that it is given up", describe(got.change), err)
	}
}
