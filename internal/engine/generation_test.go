// SPDX-License-Identifier: Apache-2.0

package engine

import "testing"

func TestGenerationDependsOnNamesAndContentsAlone(t *testing.T) {
	base := Generation(map[string]string{"a": "1", "b": "2"})
	if len(base) != 16 {
		t.Errorf("generation %q is not 16 digits", base)
	}
	if got := Generation(map[string][]byte{"b": []byte("2"), "a": []byte("1")}); got != base {
		t.Errorf("the same contents give %s and %s", base, got)
	}
	if got := Generation(map[string]string{"a": "1", "b": "2", KeyGeneration: "x"}); got != base {
		t.Errorf("the generation itself counts: %s and %s", base, got)
	}
	for name, other := range map[string]map[string]string{
		"another content":              {"a": "1", "b": "3"},
		"another name":                 {"a": "1", "c": "2"},
		"one file less":                {"a": "1"},
		"contents that are swapped":    {"a": "2", "b": "1"},
		"borders that are moved":       {"a": "1b", "": "2"},
		"a content that hides a file":  {"a": "1b2"},
		"a name that includes content": {"a1": "", "b2": ""},
	} {
		if Generation(other) == base {
			t.Errorf("%s gives the same generation", name)
		}
	}
}

func TestSecretsDataCarriesItsGeneration(t *testing.T) {
	secrets := Secrets{
		Cert: []byte("c"), Key: []byte("k"), DialbackSecret: []byte("d"), Token: []byte("t"), Accounts: []byte("{}"),
	}
	data, generation := secrets.Data()
	if string(data[KeyGeneration]) != generation || Generation(data) != generation {
		t.Errorf("generation %s, in the data %s, of the data %s", generation, data[KeyGeneration], Generation(data))
	}
	for key, want := range map[string]string{
		KeyTLSCert: "c", KeyTLSKey: "k", KeyDialbackSecret: "d", KeyToken: "t", KeyAccounts: "{}",
	} {
		if string(data[key]) != want {
			t.Errorf("%s is %q, want %q", key, data[key], want)
		}
	}
	secrets.Key = []byte("other")
	if _, other := secrets.Data(); other == generation {
		t.Error("another key gives the same generation")
	}
}
