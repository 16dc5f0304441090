// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"slices"
	"strings"
	"testing"
)

func TestAccountsKeepsWhatIsValidAndNamesTheRest(t *testing.T) {
	for name, test := range map[string]struct {
		secret map[string][]byte
		json   string
		bad    []string
	}{
		"no accounts":                       {nil, `{}`, nil},
		"plain localparts":                  {map[string][]byte{"b.c-d_9": []byte("x"), "a": []byte("y")}, `{"a":"y","b.c-d_9":"x"}`, nil},
		"upper case":                        {map[string][]byte{"Alice": []byte("x"), "bob": []byte("y")}, `{"bob":"y"}`, []string{"Alice"}},
		"an empty name":                     {map[string][]byte{"": []byte("x")}, `{}`, []string{""}},
		"separators of a JID":               {map[string][]byte{"a@b": []byte("x"), "a/b": []byte("x"), "a:b": []byte("x")}, `{}`, []string{"a/b", "a:b", "a@b"}},
		"quotes and markup":                 {map[string][]byte{`a"`: {'x'}, "a'": {'x'}, "a<": {'x'}, "a>": {'x'}, "a&": {'x'}}, `{}`, []string{`a"`, "a&", "a'", "a<", "a>"}},
		"spaces, controls and other bytes":  {map[string][]byte{"a b": {'x'}, "a\x7f": {'x'}, "é": {'x'}}, `{}`, []string{"a b", "a\x7f", "é"}},
		"the longest name":                  {map[string][]byte{strings.Repeat("a", 1023): {'x'}}, `{"` + strings.Repeat("a", 1023) + `":"x"}`, nil},
		"a name that is too long":           {map[string][]byte{strings.Repeat("a", 1024): {'x'}}, `{}`, []string{strings.Repeat("a", 1024)}},
		"an empty password":                 {map[string][]byte{"a": nil}, `{"a":""}`, []string{"a"}},
		"a password with a line feed":       {map[string][]byte{"a": []byte("x\n")}, `{"a":""}`, []string{"a"}},
		"a password that is not UTF-8":      {map[string][]byte{"a": {0xff}}, `{"a":""}`, []string{"a"}},
		"a password that is only invisible": {map[string][]byte{"a": []byte("\u00ad")}, `{"a":""}`, []string{"a"}},
		"passwords that SASLprep refuses": {
			map[string][]byte{"a": []byte("a\u05d0"), "b": []byte("\u05d01"), "c": []byte("\ufffd"), "d": []byte("\u2028")},
			`{"a":"","b":"","c":"","d":""}`, []string{"a", "b", "c", "d"},
		},
		"a password from right to left": {map[string][]byte{"a": []byte("\u05d01\u05d0")}, "{\"a\":\"\u05d01\u05d0\"}", nil},
		"a password in any script":      {map[string][]byte{"a": []byte(`pä"ß\ 語`)}, `{"a":"pä\"ß\\ 語"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, bad, err := Accounts(test.secret)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.json || !slices.Equal(bad, test.bad) {
				t.Errorf("got %s and bad %q, want %s and %q", got, bad, test.json, test.bad)
			}
		})
	}
}
