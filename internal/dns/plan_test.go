// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

const (
	us   = "owner001"
	them = "owner002"
)

var (
	anchor    = "cup1.cupdomain.com."
	anchorOwn = markerKey(anchor)
	ourIndex  = indexKey(Owner{ID: us}, testApex)
	hostA     = AddressRecords(anchor, 300, []netip.Addr{netip.MustParseAddr("203.0.113.130")})[0]
	hostAAAA  = AddressRecords(anchor, 300, []netip.Addr{netip.MustParseAddr("2001:db8::5")})[0]
	otherA    = AddressRecords(anchor, 300, []netip.Addr{netip.MustParseAddr("203.0.113.99")})[0]
	hostAlias = RRset{Name: anchor, Type: TypeCNAME, TTL: 60, Data: []Data{Alias("elsewhere.example.")}}
	junk      = RRset{Name: anchorOwn.Name, Type: TypeTXT, TTL: 60, Data: []Data{TXT{"v=spf1 -all"}}}
)

// own is an ownership record as owner writes it with the secret.
func own(t testing.TB, key Key, owner, secret string, epoch uint64, keys ...Key) RRset {
	m := testSigner(t, secret).sign(testApex, key.Name, marker{owner: owner, epoch: epoch, keys: keys})
	return RRset{Name: key.Name, Type: TypeTXT, TTL: markerTTL, Data: []Data{m.text(testApex)}}
}

func testPlanner(t testing.TB, strict bool, want []RRset, takeover []Key, read ...RRset) planner {
	merged, err := mergeUnits(testApex, []Unit{{Anchor: anchor, Records: want, Takeover: takeover}})
	if err != nil {
		t.Fatal(err)
	}
	p := planner{
		apex: testApex, signer: testSigner(t, keyToday, keyYesterday), owner: Owner{ID: us}, want: merged, strict: strict,
		read: map[Key]RRset{},
	}
	for _, set := range read {
		p.read[set.Key()] = set
	}
	return p
}

// describe a change in lines, with epochs in place of signatures.
func describe(c Change) []string {
	var out []string
	for _, k := range c.Absent {
		out = append(out, "absent "+k.String())
	}
	for _, set := range c.Equal {
		out = append(out, "equal "+set.Key().String())
	}
	for _, k := range c.Drop {
		out = append(out, "drop "+k.String())
	}
	for _, set := range c.Put {
		line := "put " + set.Key().String() + " " + strings.Join(set.Strings(), " ")
		if text, ok := set.Data[0].(TXT); ok {
			m, _ := parseMarker(text, testApex)
			offer := ""
			if m.transferTo != "" {
				offer = " to " + m.transferTo
			}
			line = fmt.Sprintf("put %s epoch %d%s %v", set.Key(), m.epoch, offer, m.keys)
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func TestWhatIsToBeRemovedStaysListedAsLongAsItIsKept(t *testing.T) {
	index, ours := own(t, ourIndex, us, keyToday, 3, anchorOwn), own(t, anchorOwn, us, keyToday, 5, hostA.Key())
	p := testPlanner(t, false, []RRset{hostAAAA}, nil, index, ours, hostA)
	p.keep = true
	got, err := p.plan()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"absent AAAA cup1.cupdomain.com", "absent CNAME cup1.cupdomain.com",
		"absent CNAME own._xmppfed.cup1.cupdomain.com", "absent CNAME owner001._xmppfed.cupdomain.com",
		"equal TXT own._xmppfed.cup1.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com",
		"put AAAA cup1.cupdomain.com 2001:db8::5",
		"put TXT own._xmppfed.cup1.cupdomain.com epoch 6 [A cup1.cupdomain.com AAAA cup1.cupdomain.com]",
		"put TXT owner001._xmppfed.cupdomain.com epoch 4 [TXT own._xmppfed.cup1.cupdomain.com]",
	}
	if diff := cmp.Diff(want, describe(got.change)); diff != "" {
		t.Errorf("change (-want +got):\n%s", diff)
	}
	unwanted := testPlanner(t, false, nil, nil, index, ours, hostA)
	unwanted.keep = true
	if got, err := unwanted.plan(); err != nil || !got.change.Empty() {
		t.Errorf("nothing wanted: got %v, %v, want nothing to do", describe(got.change), err)
	}
}

func TestPlan(t *testing.T) {
	index := own(t, ourIndex, us, keyToday, 3, anchorOwn)
	ours := own(t, anchorOwn, us, keyToday, 5, hostA.Key())
	theirs := own(t, anchorOwn, them, "the key of somebody else", 1, hostA.Key())
	forged := own(t, anchorOwn, us, "the key of somebody else", 1, hostA.Key())
	claim := []string{
		"absent A cup1.cupdomain.com", "absent CNAME cup1.cupdomain.com",
		"absent CNAME own._xmppfed.cup1.cupdomain.com", "absent CNAME owner001._xmppfed.cupdomain.com",
		"absent TXT own._xmppfed.cup1.cupdomain.com", "absent TXT owner001._xmppfed.cupdomain.com",
		"put A cup1.cupdomain.com 203.0.113.130",
		"put TXT own._xmppfed.cup1.cupdomain.com epoch 1 [A cup1.cupdomain.com]",
		"put TXT owner001._xmppfed.cupdomain.com epoch 1 [TXT own._xmppfed.cup1.cupdomain.com]",
	}
	tests := map[string]struct {
		want   []RRset
		read   []RRset
		strict bool
		take   []Key
		change []string
		reason string
	}{
		"Absent and wanted: claim":                                     {want: []RRset{hostA}, change: claim},
		"Absent and not wanted: nothing":                               {},
		"A record that is read may come from a wildcard: claim anyway": {want: []RRset{hostA}, read: []RRset{otherA, junk}, change: claim},
		"After a refusal a record at the name is in the way":           {want: []RRset{hostA}, read: []RRset{otherA}, strict: true, reason: v1alpha1.ReasonRecordExistsUnowned},
		"After a refusal even an equal record is in the way":           {want: []RRset{hostA}, read: []RRset{hostA}, strict: true, reason: v1alpha1.ReasonRecordExistsUnowned},
		"After a refusal an alias is in the way":                       {want: []RRset{hostA}, read: []RRset{hostAlias}, strict: true, reason: v1alpha1.ReasonCNAMEConflict},
		"After a refusal another text in place of ours is in the way":  {want: []RRset{hostA}, read: []RRset{junk}, strict: true, reason: v1alpha1.ReasonRecordExistsUnowned},
		"After a refusal, and nothing is in the way any more: claim":   {want: []RRset{hostA}, strict: true, change: claim},
		"The index says that we had it, yet the record stands alone":   {want: []RRset{hostA}, read: []RRset{index, hostA}, strict: true, reason: v1alpha1.ReasonOwnershipLost},
		"The index says that we had it, yet another text is there":     {want: []RRset{hostA}, read: []RRset{index, junk}, strict: true, reason: v1alpha1.ReasonOwnershipLost},
		"Ours and as wanted: nothing":                                  {want: []RRset{hostA}, read: []RRset{index, ours, hostA}},
		"Ours but changed by somebody: put back": {
			want: []RRset{hostA}, read: []RRset{index, ours, otherA},
			change: []string{
				"absent CNAME cup1.cupdomain.com", "absent CNAME owner001._xmppfed.cupdomain.com",
				"equal TXT own._xmppfed.cup1.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com",
				"put A cup1.cupdomain.com 203.0.113.130",
				"put TXT owner001._xmppfed.cupdomain.com epoch 4 [TXT own._xmppfed.cup1.cupdomain.com]",
			},
		},
		"Ours, one record more and one less": {
			want: []RRset{hostAAAA}, read: []RRset{index, ours, hostA},
			change: []string{
				"absent AAAA cup1.cupdomain.com", "absent CNAME cup1.cupdomain.com",
				"absent CNAME own._xmppfed.cup1.cupdomain.com", "absent CNAME owner001._xmppfed.cupdomain.com",
				"drop A cup1.cupdomain.com",
				"equal TXT own._xmppfed.cup1.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com",
				"put AAAA cup1.cupdomain.com 2001:db8::5",
				"put TXT own._xmppfed.cup1.cupdomain.com epoch 6 [AAAA cup1.cupdomain.com]",
				"put TXT owner001._xmppfed.cupdomain.com epoch 4 [TXT own._xmppfed.cup1.cupdomain.com]",
			},
		},
		"Ours, but an added record is in the way after a refusal": {
			want: []RRset{hostA, hostAAAA}, read: []RRset{index, ours, hostA, hostAAAA}, strict: true, reason: v1alpha1.ReasonRecordExistsUnowned,
		},
		"Ours but signed with yesterday's key: signed anew": {
			want: []RRset{hostA}, read: []RRset{index, own(t, anchorOwn, us, keyYesterday, 5, hostA.Key()), hostA},
			change: []string{
				"absent CNAME own._xmppfed.cup1.cupdomain.com", "absent CNAME owner001._xmppfed.cupdomain.com",
				"equal TXT own._xmppfed.cup1.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com",
				"put TXT own._xmppfed.cup1.cupdomain.com epoch 6 [A cup1.cupdomain.com]",
				"put TXT owner001._xmppfed.cupdomain.com epoch 4 [TXT own._xmppfed.cup1.cupdomain.com]",
			},
		},
		"Ours but the index is gone: a new index": {
			want: []RRset{hostA}, read: []RRset{ours, hostA},
			change: []string{
				"absent CNAME owner001._xmppfed.cupdomain.com", "absent TXT owner001._xmppfed.cupdomain.com",
				"put TXT owner001._xmppfed.cupdomain.com epoch 1 [TXT own._xmppfed.cup1.cupdomain.com]",
			},
		},
		"Ours and not wanted: release": {
			read: []RRset{index, ours, hostA},
			change: []string{
				"drop A cup1.cupdomain.com", "drop TXT own._xmppfed.cup1.cupdomain.com", "drop TXT owner001._xmppfed.cupdomain.com",
				"equal TXT own._xmppfed.cup1.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com",
			},
		},
		"Listed in the index but gone, and not wanted: only the index goes": {
			read:   []RRset{index, hostA},
			change: []string{"drop TXT owner001._xmppfed.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com"},
		},
		"Another's and wanted: conflict": {want: []RRset{hostA}, read: []RRset{theirs, hostA}, reason: v1alpha1.ReasonOwnershipConflict},
		"Another's by now, and not wanted: only the index goes": {
			read:   []RRset{index, theirs, hostA},
			change: []string{"drop TXT owner001._xmppfed.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com"},
		},
		"Forged and wanted: ownership is lost":     {want: []RRset{hostA}, read: []RRset{forged, hostA}, reason: v1alpha1.ReasonOwnershipLost},
		"Forged and not wanted: ownership is lost": {read: []RRset{index, forged, hostA}, reason: v1alpha1.ReasonOwnershipLost},
		"A second text beside ours: ownership is lost": {
			want: []RRset{hostA}, read: []RRset{index, {Name: anchorOwn.Name, Type: TypeTXT, Data: append(slices.Clone(ours.Data), junk.Data...)}, hostA},
			reason: v1alpha1.ReasonOwnershipLost,
		},
		"To be taken over, before the server has refused: claim": {
			want: []RRset{hostA}, read: []RRset{otherA}, take: []Key{hostA.Key()}, change: claim,
		},
		"To be taken over, after a refusal: exactly what was read": {
			want: []RRset{hostA}, read: []RRset{otherA}, take: []Key{hostA.Key()}, strict: true,
			change: append([]string{
				"absent CNAME cup1.cupdomain.com", "absent CNAME own._xmppfed.cup1.cupdomain.com",
				"absent CNAME owner001._xmppfed.cupdomain.com", "absent TXT own._xmppfed.cup1.cupdomain.com",
				"absent TXT owner001._xmppfed.cupdomain.com", "equal A cup1.cupdomain.com",
			}, claim[6:]...),
		},
		"To be taken over, but an alias is in the way": {
			want: []RRset{hostA}, read: []RRset{hostAlias}, take: []Key{hostA.Key()}, strict: true, reason: v1alpha1.ReasonCNAMEConflict,
		},
		"To be taken over, but another record is in the way": {
			want: []RRset{hostA, hostAAAA}, read: []RRset{otherA, hostAAAA}, take: []Key{hostA.Key()}, strict: true,
			reason: v1alpha1.ReasonRecordExistsUnowned,
		},
		"To be taken over, but owned by another": {
			want: []RRset{hostA}, read: []RRset{theirs, hostA}, take: []Key{hostA.Key()}, strict: true, reason: v1alpha1.ReasonOwnershipConflict,
		},
		"To be taken over, but another text stands in place of the ownership record": {
			want: []RRset{hostA}, read: []RRset{otherA, junk}, take: []Key{hostA.Key()}, strict: true, reason: v1alpha1.ReasonRecordExistsUnowned,
		},
		"To be taken over, which is the way out when our ownership record is gone": {
			want: []RRset{hostA}, read: []RRset{index, otherA}, take: []Key{hostA.Key()}, strict: true,
			change: []string{
				"absent CNAME cup1.cupdomain.com", "absent CNAME own._xmppfed.cup1.cupdomain.com",
				"absent CNAME owner001._xmppfed.cupdomain.com", "absent TXT own._xmppfed.cup1.cupdomain.com",
				"equal A cup1.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com",
				"put A cup1.cupdomain.com 203.0.113.130",
				"put TXT own._xmppfed.cup1.cupdomain.com epoch 1 [A cup1.cupdomain.com]",
				"put TXT owner001._xmppfed.cupdomain.com epoch 4 [TXT own._xmppfed.cup1.cupdomain.com]",
			},
		},
		"Ours already, and named to be taken over: nothing": {
			want: []RRset{hostA}, read: []RRset{index, ours, hostA}, take: []Key{hostA.Key()},
		},
		"A forged index: ownership is lost": {
			want: []RRset{hostA}, read: []RRset{own(t, ourIndex, us, "the key of somebody else", 1, anchorOwn)}, reason: v1alpha1.ReasonOwnershipLost,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := testPlanner(t, test.strict, test.want, test.take, test.read...).plan()
			if err == nil {
				err = got.refused[anchor]
			}
			reason := ""
			if err != nil {
				reason = err.Reason
			}
			if reason != test.reason {
				t.Fatalf("got error %v, want reason %q", err, test.reason)
			}
			if diff := cmp.Diff(test.change, describe(got.change)); diff != "" {
				t.Errorf("change (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzPlanTouchesOnlyWhatIsOurs builds zones out of what may stand at each name, and looks at what every plan touches.
func FuzzPlanTouchesOnlyWhatIsOurs(f *testing.F) {
	choices := map[Key][]RRset{
		anchorOwn: {
			{}, junk, own(f, anchorOwn, us, keyToday, 5, hostA.Key()), own(f, anchorOwn, us, keyYesterday, 2, hostAAAA.Key()),
			own(f, anchorOwn, us, keyToday, 1), own(f, anchorOwn, us, "the key of somebody else", 5, hostA.Key()),
			own(f, anchorOwn, them, keyToday, 5, hostA.Key()),
		},
		ourIndex: {
			{}, own(f, ourIndex, us, keyToday, 3, anchorOwn), own(f, ourIndex, us, keyToday, 3, hostA.Key()),
			own(f, ourIndex, us, keyToday, 3), own(f, ourIndex, them, keyToday, 3, anchorOwn),
		},
		hostA.Key():     {{}, hostA, otherA, {Name: anchor, Type: TypeA}},
		hostAAAA.Key():  {{}, hostAAAA, {Name: anchor, Type: TypeAAAA, Data: []Data{TXT{"not an address"}}}},
		hostAlias.Key(): {{}, hostAlias},
	}
	keys := []Key{anchorOwn, ourIndex, hostA.Key(), hostAAAA.Key(), hostAlias.Key()}
	f.Add([]byte{2, 1, 1, 0, 0}, byte(1), true)
	f.Add([]byte{0, 0, 0, 0, 0}, byte(3), false)
	f.Add([]byte{0, 0, 2, 0, 0}, byte(1|4), true)
	f.Add([]byte{2, 1, 1, 1, 0}, byte(2|16), false)
	f.Fuzz(func(t *testing.T, choice []byte, wanted byte, strict bool) {
		var want, read []RRset
		var takeover []Key
		for i, set := range []RRset{hostA, hostAAAA} {
			if wanted>>i&1 == 1 {
				want = append(want, set)
			}
			if wanted>>(i+2)&1 == 1 {
				takeover = append(takeover, set.Key())
			}
		}
		for i, k := range keys {
			if i >= len(choice) {
				break
			}
			if set := choices[k][int(choice[i])%len(choices[k])]; set.Name != "" {
				read = append(read, set)
			}
		}
		p := testPlanner(t, strict, want, takeover, read...)
		p.keep = wanted>>4&1 == 1
		got, err := p.plan()
		if err != nil {
			if !got.change.Empty() || err.Message == "" || err.Reason == "" {
				t.Errorf("got both %v and error %+v", describe(got.change), err)
			}
			return
		}
		touchesOnlyOurs(t, p, got.change)
		tellsLosses(t, p, got.change)
		if p.keep && slices.ContainsFunc(got.change.Drop, func(k Key) bool { return k != ourIndex }) {
			t.Errorf("%v drops what is to be kept for now", describe(got.change))
		}
	})
}

// tellsLosses expects that all that is dropped counts as lost, save ownership records, and addresses of a name that has others.
func tellsLosses(t *testing.T, p planner, c Change) {
	for _, k := range c.Drop {
		ownership, _ := Ownership(k)
		replaced := slices.ContainsFunc(p.want.allKeys(), func(w Key) bool {
			return w.Name == k.Name && slices.Contains([]uint16{TypeA, TypeAAAA}, w.Type) && slices.Contains([]uint16{TypeA, TypeAAAA}, k.Type)
		})
		if got, want := slices.Contains(c.Lost, k), !ownership && !replaced; got != want {
			t.Errorf("%s counts as lost: %t, want %t", k, got, want)
		}
	}
}

func touchesOnlyOurs(t *testing.T, p planner, c Change) {
	var ours []Key
	for _, set := range c.Equal {
		if p.strict && slices.Contains(p.want.takeover, set.Key()) && p.read[set.Key()].SameData(set) {
			ours = append(ours, set.Key())
			continue
		}
		g := p.guard(set.Key())
		if g.standing != standingOurs || !p.read[set.Key()].SameData(set) {
			t.Errorf("prerequisite on %s which is not ours", set.Key())
		}
		ours = append(append(ours, set.Key()), g.marker.keys...)
	}
	for _, k := range c.Drop {
		if !slices.Contains(ours, k) {
			t.Errorf("%s is dropped although no prerequisite proves that it is ours", k)
		}
	}
	for _, set := range c.Put {
		alias := Key{Name: set.Name, Type: TypeCNAME}
		if !slices.Contains(ours, set.Key()) && !slices.Contains(c.Absent, set.Key()) || !slices.Contains(c.Absent, alias) {
			t.Errorf("%s is written although no prerequisite proves that it is ours or absent, without alias", set.Key())
		}
	}
	if !c.Empty() && !slices.ContainsFunc(append(slices.Clone(c.Absent), ours...), func(k Key) bool { return k == ourIndex }) {
		t.Error("a change does not depend on the index")
	}
}
