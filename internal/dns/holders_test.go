// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"maps"
	"testing"
)

// zoneOf is a zone in memory that can only be read.
type zoneOf struct {
	Provider
	read   map[Key]RRset
	manual bool
	err    error
}

func (zoneOf) Apex() string                 { return testApex }
func (z zoneOf) Capabilities() Capabilities { return Capabilities{Writes: !z.manual} }

func (z zoneOf) Get(_ context.Context, keys ...Key) ([]RRset, error) {
	var found []RRset
	for _, k := range keys {
		if set, ok := z.read[k]; ok {
			found = append(found, set)
		}
	}
	return found, z.err
}

func TestHolders(t *testing.T) {
	const name = "cup1.cupdomain.com"
	chat := Key{Name: "_xmpp-server._tcp.cup1.cupdomain.com.", Type: TypeSRV}
	above := Key{Name: "own._xmppfed.cupdomain.com.", Type: TypeTXT}
	for what, test := range map[string]struct {
		set  []RRset
		want Holder
	}{
		"nobody":                               {},
		"this owner":                           {[]RRset{own(t, anchorOwn, us, keyToday, 1, hostA.Key())}, Holder{name, us, true}},
		"another owner of this operator":       {[]RRset{own(t, anchorOwn, them, keyToday, 1, hostA.Key())}, Holder{name, them, true}},
		"one who offers it":                    {[]RRset{offered(t, them, keyToday, us, 1, hostA.Key())}, Holder{name, them, true}},
		"another owner of another operator":    {[]RRset{own(t, anchorOwn, them, "the key of somebody else", 1, hostA.Key())}, Holder{name, them, false}},
		"somebody who forges this owner":       {[]RRset{own(t, anchorOwn, us, "the key of somebody else", 1, hostA.Key())}, Holder{}},
		"who lists it under the name above":    {[]RRset{own(t, above, them, keyToday, 1, chat)}, Holder{name, them, true}},
		"the name above, but not this one":     {[]RRset{own(t, above, them, keyToday, 1, Key{Name: "_xmpp-server._tcp.cupdomain.com.", Type: TypeSRV})}, Holder{}},
		"a record that is no ownership record": {[]RRset{junk}, Holder{}},
	} {
		t.Run(what, func(t *testing.T) {
			zone := zoneOf{read: map[Key]RRset{}}
			for _, set := range test.set {
				zone.read[set.Key()] = set
			}
			want := map[string]Holder{}
			if test.want.Owner != "" {
				want[name] = test.want
			}
			got, err := Holders(t.Context(), zone, testSigner(t, keyToday), Owner{ID: us}, []string{name, "www.cupdomain.com"})
			if err != nil || !maps.Equal(got, want) {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		})
	}
	broken := errors.New("broken")
	if _, err := Holders(t.Context(), zoneOf{err: broken}, testSigner(t, keyToday), Owner{ID: us}, []string{name}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if got, err := Holders(t.Context(), zoneOf{manual: true, err: broken}, testSigner(t, keyToday), Owner{ID: us}, []string{name}); len(got) > 0 || err != nil {
		t.Errorf("where people write: got %v, %v", got, err)
	}
}
