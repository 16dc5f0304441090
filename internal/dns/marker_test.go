// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"reflect"
	"strings"
	"testing"
)

const testApex = "cupdomain.com."

func testSigner(t testing.TB, secrets ...string) Signer {
	t.Helper()
	var keys [][]byte
	for _, s := range secrets {
		keys = append(keys, []byte(s))
	}
	s, err := NewSigner(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	keyToday     = "today's key, long enough"
	keyYesterday = "yesterday's key, long enough"
)

func testMarker() marker {
	return marker{owner: "owner001", epoch: 7, keys: []Key{
		{Name: "_xmpp-server._tcp.cupdomain.com.", Type: TypeSRV}, {Name: testApex, Type: TypeA},
	}}
}

func TestMarkerIsReadAsItWasWritten(t *testing.T) {
	m := testSigner(t, keyToday).sign(testApex, "own._xmppfed.cupdomain.com.", testMarker())
	text := m.text(testApex)
	if text[1] != "_xmpp-server._tcp SRV" || text[2] != "@ A" {
		t.Errorf("got keys %q, want names relative to the zone", text[1:])
	}
	got, ok := parseMarker(text, testApex)
	if !ok || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v %t, want %+v", got, ok, m)
	}
}

func TestSignatureBindsEverythingInTheMarkerAndItsPlace(t *testing.T) {
	name := "own._xmppfed.cupdomain.com."
	signer := testSigner(t, keyToday)
	signed := signer.sign(testApex, name, testMarker())
	if valid, current := signer.verify(testApex, name, signed); !valid || !current {
		t.Errorf("unchanged: valid %t, current %t, want both", valid, current)
	}
	if valid, _ := signer.verify("example.com.", name, signed); valid {
		t.Error("copied to another zone: valid")
	}
	if valid, _ := signer.verify(testApex, "own._xmppfed.b.cupdomain.com.", signed); valid {
		t.Error("copied to another name: valid")
	}
	changes := map[string]func(*marker){
		"another owner":  func(m *marker) { m.owner = "owner002" },
		"another epoch":  func(m *marker) { m.epoch++ },
		"another key id": func(m *marker) { m.keyID = "00000000" },
		"a record more":  func(m *marker) { m.keys = append(m.keys, Key{Name: "www.cupdomain.com.", Type: TypeA}) },
		"a record less":  func(m *marker) { m.keys = m.keys[:1] },
		"another type":   func(m *marker) { m.keys = []Key{{Name: m.keys[0].Name, Type: TypeTXT}, m.keys[1]} },
	}
	for what, change := range changes {
		m := signed
		change(&m)
		if valid, _ := signer.verify(testApex, name, m); valid {
			t.Errorf("%s: valid", what)
		}
	}
}

func TestSignaturesByFormerKeysAreValidButNotCurrent(t *testing.T) {
	m := testSigner(t, keyYesterday).sign(testApex, "own._xmppfed.cupdomain.com.", testMarker())
	valid, current := testSigner(t, keyToday, keyYesterday).verify(testApex, "own._xmppfed.cupdomain.com.", m)
	if !valid || current {
		t.Errorf("valid %t, current %t, want valid but not current", valid, current)
	}
	if valid, _ := testSigner(t, keyToday).verify(testApex, "own._xmppfed.cupdomain.com.", m); valid {
		t.Error("valid although the key is not known any more")
	}
}

func TestSignerRefusesWeakKeys(t *testing.T) {
	if _, err := NewSigner(); err == nil {
		t.Error("no key: want an error")
	}
	if _, err := NewSigner([]byte("fifteen bytes..")); err == nil {
		t.Error("a key of 15 bytes: want an error")
	}
}

func TestOnlyTheExactFormOfAMarkerIsRead(t *testing.T) {
	const head = "v=xf1;o=owner001;e=1;k=0123abcd;h=0123456789abcdef0123456789abcdef"
	sharedHead := strings.Replace(head, ";k=", ";m=shared;k=", 1)
	if _, ok := parseMarker(TXT{sharedHead, "_s._tcp SRV 0 0 5269 a.", "_s._tcp SRV 1 0 5269 a."}, testApex); !ok {
		t.Error("the valid shared marker that the others differ from is refused")
	}
	if _, ok := parseMarker(TXT{head, "@ A", "cup1 A"}, testApex); ok {
		t.Error("keys out of order: want refusal, since cup1.cupdomain.com sorts before cupdomain.com")
	}
	if _, ok := parseMarker(TXT{head, "cup1 A", "@ A"}, testApex); !ok {
		t.Error("the valid marker that the others differ from is refused")
	}
	tests := map[string]TXT{
		"nothing":                       {},
		"an empty string":               {""},
		"another policy's record":       {"v=spf1 -all"},
		"another version":               {strings.Replace(head, "xf1", "xf2", 1)},
		"an epoch of zero":              {strings.Replace(head, "e=1", "e=0", 1)},
		"an epoch that is too large":    {strings.Replace(head, "e=1", "e=9999999999999999999", 1)},
		"a short signature":             {head[:len(head)-1]},
		"more after the signature":      {head + ";x=1"},
		"an unknown mode":               {strings.Replace(head, ";k=", ";m=alone;k=", 1)},
		"an offer of what is shared":    {strings.Replace(head, ";k=", ";t=owner002;m=shared;k=", 1)},
		"a shared key without data":     {sharedHead, "_s._tcp SRV"},
		"shared data out of form":       {sharedHead, "_s._tcp SRV 0 0 05269 cup1.cupdomain.com."},
		"a shared target in capitals":   {sharedHead, "_s._tcp SRV 0 0 5269 CUP1.cupdomain.com."},
		"a shared address":              {sharedHead, "cup1 A 203.0.113.5"},
		"shared data twice":             {sharedHead, "_s._tcp SRV 0 0 5269 a.", "_s._tcp SRV 0 0 5269 a."},
		"data of what is not shared":    {head, "_s._tcp SRV 0 0 5269 a."},
		"an offer to nobody":            {strings.Replace(head, ";k=", ";t=;k=", 1)},
		"an offer with a short name":    {strings.Replace(head, ";k=", ";t=short;k=", 1)},
		"an offer at the end":           {head + ";t=owner002"},
		"a line feed at the end":        {head + "\n"},
		"a key twice":                   {head, "cup1 A", "cup1 A"},
		"a key without type":            {head, "cup1"},
		"a type that is never written":  {head, "cup1 CNAME"},
		"a type that nobody knows":      {head, "cup1 TYPE999"},
		"a name with an empty label":    {head, "a..b A"},
		"a name with a dot at the end":  {head, "cup1. A"},
		"a name in capitals":            {head, "CUP1 A"},
		"a name with a line feed":       {head, "cu\np1 A"},
		"an escaped name":               {head, `cu\046p1 A`},
		"a wildcard":                    {head, "* A"},
		"a name that is too long":       {head, strings.Repeat("a.", 125) + "a A"},
		"a label that is too long":      {head, strings.Repeat("a", 64) + " A"},
		"the apex under its other name": {head, " A"},
	}
	for what, text := range tests {
		if m, ok := parseMarker(text, testApex); ok {
			t.Errorf("%s: read as %+v", what, m)
		}
	}
}

func FuzzParseMarker(f *testing.F) {
	signer := testSigner(f, keyToday)
	m := signer.sign(testApex, "own._xmppfed.cupdomain.com.", testMarker())
	f.Add(strings.Join(m.text(testApex), "\x00"), testApex)
	f.Add("v=xf1;o=owner001;e=1;m=shared;k=0123abcd;h=0123456789abcdef0123456789abcdef\x00_s._tcp SRV 0 0 5269 a.", testApex)
	f.Add("v=xf1;o=owner001;e=1;t=owner002;k=0123abcd;h=0123456789abcdef0123456789abcdef\x00www A", testApex)
	f.Add("v=xf1;o=owner001;e=1;k=0123abcd;h=0123456789abcdef0123456789abcdef\x00www A", ".")
	f.Fuzz(func(t *testing.T, joined, apex string) {
		text := TXT(strings.Split(joined, "\x00"))
		m, ok := parseMarker(text, apex)
		if !ok {
			return
		}
		if again := m.text(apex); !reflect.DeepEqual(again, text) {
			t.Errorf("%q was read but is written as %q", text, again)
		}
		for _, k := range m.keys {
			if !InZone(k.Name, apex) || !validName(k.Name) {
				t.Errorf("%q was read with key %s that can't be published in %q", text, k, apex)
			}
		}
	})
}
