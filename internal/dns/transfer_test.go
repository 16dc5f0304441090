// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// offered is an ownership record of owner that offers the anchor to another.
func offered(t testing.TB, owner, secret, to string, epoch uint64, keys ...Key) RRset {
	m := testSigner(t, secret).sign(testApex, anchorOwn.Name, marker{owner: owner, epoch: epoch, transferTo: to, keys: keys})
	return RRset{Name: anchorOwn.Name, Type: TypeTXT, TTL: markerTTL, Data: []Data{m.text(testApex)}}
}

func TestPlanOfATransfer(t *testing.T) {
	const theirKey = "the key of somebody else"
	www := AddressRecords("www.cupdomain.com", 300, []netip.Addr{netip.MustParseAddr("203.0.113.80")})[0]
	index := own(t, ourIndex, us, keyToday, 3, anchorOwn)
	ours := own(t, anchorOwn, us, keyToday, 5, hostA.Key())
	accept := []string{
		"absent CNAME cup1.cupdomain.com", "absent CNAME own._xmppfed.cup1.cupdomain.com",
		"absent CNAME owner001._xmppfed.cupdomain.com", "absent TXT owner001._xmppfed.cupdomain.com",
		"equal TXT own._xmppfed.cup1.cupdomain.com",
		"put A cup1.cupdomain.com 203.0.113.130",
		"put TXT own._xmppfed.cup1.cupdomain.com epoch 8 [A cup1.cupdomain.com]",
		"put TXT owner001._xmppfed.cupdomain.com epoch 1 [TXT own._xmppfed.cup1.cupdomain.com]",
	}
	tests := map[string]struct {
		to     string
		deny   bool
		from   string // the owner that we accept from
		want   []RRset
		read   []RRset
		change []string
		// offered and accepted are what the plan says of them.
		offered, accepted []Key
		reason            string
	}{
		"To hand over what is ours: offer it, and touch no record": {
			to: them, want: []RRset{hostAAAA}, read: []RRset{index, ours, otherA},
			change: []string{
				"absent CNAME own._xmppfed.cup1.cupdomain.com", "absent CNAME owner001._xmppfed.cupdomain.com",
				"equal TXT own._xmppfed.cup1.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com",
				"put TXT own._xmppfed.cup1.cupdomain.com epoch 6 to owner002 [A cup1.cupdomain.com]",
				"put TXT owner001._xmppfed.cupdomain.com epoch 4 [TXT own._xmppfed.cup1.cupdomain.com]",
			},
			offered: []Key{hostA.Key()},
		},
		"Offered already: nothing": {
			to: them, want: []RRset{hostA}, read: []RRset{index, offered(t, us, keyToday, them, 6, hostA.Key()), otherA},
			offered: []Key{hostA.Key()},
		},
		"Offered to somebody else before: to this one instead": {
			to: them, want: []RRset{hostA}, read: []RRset{index, offered(t, us, keyToday, "owner003", 6, hostA.Key()), hostA},
			change: []string{
				"absent CNAME own._xmppfed.cup1.cupdomain.com", "absent CNAME owner001._xmppfed.cupdomain.com",
				"equal TXT own._xmppfed.cup1.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com",
				"put TXT own._xmppfed.cup1.cupdomain.com epoch 7 to owner002 [A cup1.cupdomain.com]",
				"put TXT owner001._xmppfed.cupdomain.com epoch 4 [TXT own._xmppfed.cup1.cupdomain.com]",
			},
			offered: []Key{hostA.Key()},
		},
		"Accepted by now: only the index goes": {
			to: them, want: []RRset{hostA}, read: []RRset{index, own(t, anchorOwn, them, theirKey, 7, hostA.Key()), hostA},
			change: []string{"drop TXT owner001._xmppfed.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com"},
		},
		"To hand over what never was ours: nothing": {to: them, want: []RRset{hostA}, read: []RRset{hostA}},
		"To hand over what somebody forged: ownership is lost": {
			to: them, want: []RRset{hostA}, read: []RRset{own(t, anchorOwn, us, theirKey, 1, hostA.Key())}, reason: v1alpha1.ReasonOwnershipLost,
		},
		"The offer is withdrawn": {
			want: []RRset{hostA}, read: []RRset{index, offered(t, us, keyToday, them, 6, hostA.Key()), hostA},
			change: []string{
				"absent CNAME own._xmppfed.cup1.cupdomain.com", "absent CNAME owner001._xmppfed.cupdomain.com",
				"equal TXT own._xmppfed.cup1.cupdomain.com", "equal TXT owner001._xmppfed.cupdomain.com",
				"put TXT own._xmppfed.cup1.cupdomain.com epoch 7 [A cup1.cupdomain.com]",
				"put TXT owner001._xmppfed.cupdomain.com epoch 4 [TXT own._xmppfed.cup1.cupdomain.com]",
			},
		},
		"Offered to us and wanted: accept": {
			want: []RRset{hostA}, read: []RRset{offered(t, them, theirKey, us, 7, hostA.Key()), otherA}, change: accept,
			accepted: []Key{hostA.Key()},
		},
		"Offered to us with a record that we do not want: it goes": {
			want: []RRset{hostA}, read: []RRset{offered(t, them, theirKey, us, 7, hostA.Key(), hostAAAA.Key()), otherA, hostAAAA},
			change:   slices.Concat(accept[:4], []string{"drop AAAA cup1.cupdomain.com"}, accept[4:]),
			accepted: []Key{hostA.Key(), hostAAAA.Key()},
		},
		"Offered to us with a record that can't belong to it: it is left alone": {
			want: []RRset{hostA}, read: []RRset{offered(t, them, theirKey, us, 7, hostA.Key(), www.Key()), otherA, www}, change: accept,
			accepted: []Key{hostA.Key()},
		},
		"Offered to us, and a record that we want besides is new": {
			want: []RRset{hostA}, read: []RRset{offered(t, them, theirKey, us, 7)}, change: slices.Concat([]string{"absent A cup1.cupdomain.com"}, accept),
		},
		"Offered to us by one of our own operator, which needs nobody's leave: accept, and all that it lists goes": {
			deny: true, from: them, want: []RRset{hostA}, read: []RRset{offered(t, them, keyToday, us, 7, hostA.Key(), www.Key()), otherA, www},
			change:   slices.Concat(accept[:4], []string{"drop A www.cupdomain.com"}, accept[4:]),
			accepted: []Key{hostA.Key(), www.Key()},
		},
		"Offered to us by one who only says to be of our operator": {
			deny: true, from: them, want: []RRset{hostA}, read: []RRset{offered(t, them, theirKey, us, 7, hostA.Key()), hostA},
			reason: v1alpha1.ReasonOwnershipConflict,
		},
		"Offered to us by one of our own operator who does not say so any more": {
			deny: true, from: "owner003", want: []RRset{hostA}, read: []RRset{offered(t, them, keyToday, us, 7, hostA.Key()), hostA},
			reason: v1alpha1.ReasonOwnershipConflict,
		},
		"Offered to us but not wanted: nothing": {read: []RRset{offered(t, them, theirKey, us, 7, hostA.Key()), hostA}},
		"Offered to us but not allowed": {
			deny: true, want: []RRset{hostA}, read: []RRset{offered(t, them, theirKey, us, 7, hostA.Key()), hostA},
			reason: v1alpha1.ReasonOwnershipConflict,
		},
		"Offered to somebody else: conflict": {
			want: []RRset{hostA}, read: []RRset{offered(t, them, theirKey, "owner003", 7, hostA.Key()), hostA},
			reason: v1alpha1.ReasonOwnershipConflict,
		},
		"Offered to us beside another text: conflict": {
			want: []RRset{hostA}, read: []RRset{{Name: anchorOwn.Name, Type: TypeTXT, Data: append(
				slices.Clone(junk.Data), offered(t, them, theirKey, us, 7, hostA.Key()).Data...)}, hostA},
			reason: v1alpha1.ReasonOwnershipConflict,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := testPlanner(t, false, test.want, nil, test.read...)
			p.owner.TransferTo, p.owner.AcceptFrom = test.to, []string{test.from}
			p.want.accept = map[string]bool{anchor: !test.deny}
			got, err := p.plan()
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
			slices.Sort(test.change)
			if diff := cmp.Diff(test.change, describe(got.change)); diff != "" {
				t.Errorf("change (-want +got):\n%s", diff)
			}
			if !slices.Equal(got.offered, test.offered) || !slices.Equal(got.accepted, test.accepted) {
				t.Errorf("offered %v, accepted %v, want %v and %v", got.offered, got.accepted, test.offered, test.accepted)
			}
		})
	}
}

func TestAnOfferIsPartOfWhatIsSigned(t *testing.T) {
	signer := testSigner(t, keyToday)
	plain := signer.sign(testApex, anchorOwn.Name, testMarker())
	offer := testMarker()
	offer.transferTo = them
	offer = signer.sign(testApex, anchorOwn.Name, offer)
	got, ok := parseMarker(offer.text(testApex), testApex)
	if valid, _ := signer.verify(testApex, anchorOwn.Name, got); !ok || !valid || got.transferTo != them {
		t.Errorf("got %+v, read %t, valid %t, want the offer", got, ok, valid)
	}
	for what, change := range map[string]func() marker{
		"an offer added":   func() marker { m := plain; m.transferTo = them; return m },
		"an offer taken":   func() marker { m := offer; m.transferTo = ""; return m },
		"an offer changed": func() marker { m := offer; m.transferTo = us; return m },
	} {
		if valid, _ := signer.verify(testApex, anchorOwn.Name, change()); valid {
			t.Errorf("%s: valid", what)
		}
	}
}
