// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func reasonOf(err error) string {
	var held *hold
	if errors.As(err, &held) {
		return held.reason
	}
	return ""
}

func TestClaims_InstallationsThatWorkOnTheSameFederationsOverlap(t *testing.T) {
	for name, test := range map[string]struct {
		a, b []string
		want bool
	}{
		"both on all":          {nil, nil, true},
		"one on all":           {nil, []string{"chat"}, true},
		"one namespace common": {[]string{"chat", "talk"}, []string{"talk", "meet"}, true},
		"none common":          {[]string{"chat"}, []string{"talk"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := claim{Namespace: "a", Watches: test.a}, claim{Namespace: "b", Watches: test.b}
			if a.overlaps(b) != test.want || b.overlaps(a) != test.want {
				t.Errorf("got %v and %v, want %v", a.overlaps(b), b.overlaps(a), test.want)
			}
		})
	}
}

func TestClaims_OneWorksAndTheOtherStandsByUntilTheFirstIsGone(t *testing.T) {
	const key, other = "k1", "k2"
	own := claim{Namespace: "own", Key: key}
	onChat := claim{Namespace: "a", Watches: []string{"chat"}, Key: other}
	onTalk := claim{Namespace: "own", Watches: []string{"talk"}, Key: key}
	for name, test := range map[string]struct {
		own      claim
		standing []claim
		gone     string
		want     []claim
		reason   string
	}{
		"the first in the cluster":                      {own, nil, "", []claim{own}, ""},
		"its own claim stands":                          {own, []claim{own}, "", []claim{own}, ""},
		"another one works":                             {own, []claim{{Namespace: "a", Key: key}}, "", nil, "InstallationStandsBy"},
		"another one works on a part":                   {own, []claim{onChat}, "", nil, "InstallationStandsBy"},
		"both have claims, and the other one was first": {own, []claim{{Namespace: "a", Key: key}, own}, "", nil, "InstallationStandsBy"},
		"the other one is gone":                         {own, []claim{{Namespace: "a", Key: key}}, "a", []claim{own}, ""},
		"that one is gone, with another key":            {own, []claim{{Namespace: "a", Key: other}}, "a", nil, "OwnershipKeyDiffers"},
		"each has namespaces of its own": {
			onTalk, []claim{onChat}, "", []claim{onChat, onTalk}, "",
		},
		"the one with other namespaces is gone": {
			onTalk, []claim{onChat}, "a", []claim{onTalk}, "",
		},
		"both have claims, and it was first": {
			own, []claim{own, {Namespace: "a", Key: key}}, "", []claim{own, {Namespace: "a", Key: key}}, "",
		},
		"it wants more than before, of what another one works on": {
			own, []claim{onTalk, onChat}, "", nil, "InstallationStandsBy",
		},
		"it wants more than before, and the other one is gone": {
			own, []claim{onTalk, {Namespace: "a", Watches: []string{"chat"}, Key: key}}, "a", []claim{own}, "",
		},
		"it wants less than before": {
			onTalk, []claim{own, {Namespace: "a", Watches: []string{"talk"}}}, "",
			[]claim{onTalk, {Namespace: "a", Watches: []string{"talk"}}}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			gone := func(namespace string) bool { return namespace == test.gone }
			var got []claim
			err := admit(test.own, test.standing, gone)
			if err == nil {
				got, err = succeed(test.own, []string{key}, test.standing, gone)
			}
			if !reflect.DeepEqual(got, test.want) || reasonOf(err) != test.reason {
				t.Errorf("got %v and %v, want %v and %s", got, err, test.want, test.reason)
			}
		})
	}
}

func TestClaims_TheMessageNamesBothAndSaysWhatToDo(t *testing.T) {
	theirs := claim{Namespace: "theirs", Watches: []string{"chat", "talk"}}
	err := admit(claim{Namespace: "mine"}, []claim{theirs}, func(string) bool { return false })
	for _, part := range []string{
		"namespace theirs, works on the Federations in chat, talk;", "namespace mine, stands by", "uninstall one", "watchNamespaces",
	} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q in it", err, part)
		}
	}
}

func TestClaims_AnAnnotationThatCannotBeReadIsNoEmptyOne(t *testing.T) {
	if _, err := parseClaims("{"); reasonOf(err) != "InstallationsUnreadable" || !strings.Contains(err.Error(), "kubectl annotate crd") {
		t.Errorf("got %v", err)
	}
	want := []claim{{Namespace: "a", Watches: []string{"chat"}, Key: fingerprint([]byte("secret"))}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseClaims(string(text)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v and %v, want %v", got, err, want)
	}
	if strings.Contains(string(text), "secret") {
		t.Errorf("the key stands in %s", text)
	}
}
