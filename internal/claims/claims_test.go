// SPDX-License-Identifier: Apache-2.0

package claims_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// made is an object that came so many seconds after the first.
func made(namespace, name string, second int) metav1.ObjectMeta {
	epoch := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID(namespace + name),
		CreationTimestamp: metav1.NewTime(epoch.Add(time.Duration(second) * time.Second)),
	}
}

func zone(name, apex string, second int, allowed *v1alpha1.AllowedNamespaces) v1alpha1.DNSZone {
	return v1alpha1.DNSZone{
		ObjectMeta: made("", name, second), Spec: v1alpha1.DNSZoneSpec{Zone: v1alpha1.DomainName(apex), Namespaces: allowed},
	}
}

func TestTheZoneThatHoldsANameDecidesWhoMayPublishIt(t *testing.T) {
	everybody := &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll}
	labelled := &v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"publishes": "yes"}},
	}
	unreadable := &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.NamespaceSelector{
		MatchExpressions: []v1alpha1.NamespaceRequirement{{Key: "a", Operator: "Resembles"}},
	}}
	for name, test := range map[string]struct {
		zones  []v1alpha1.DNSZone
		labels map[string]string
		reason string
	}{
		"no zone holds it":                    {nil, nil, v1alpha1.ReasonZoneNotFound},
		"another zone":                        {[]v1alpha1.DNSZone{zone("b", "b.example", 0, everybody)}, nil, v1alpha1.ReasonZoneNotFound},
		"open to everybody":                   {[]v1alpha1.DNSZone{zone("a", "a.example", 0, everybody)}, nil, ""},
		"open to nobody":                      {[]v1alpha1.DNSZone{zone("a", "a.example", 0, nil)}, nil, v1alpha1.ReasonDomainNotAllowed},
		"open to labels that match":           {[]v1alpha1.DNSZone{zone("a", "a.example", 0, labelled)}, map[string]string{"publishes": "yes"}, ""},
		"open to labels that don't":           {[]v1alpha1.DNSZone{zone("a", "a.example", 0, labelled)}, nil, v1alpha1.ReasonDomainNotAllowed},
		"open by a rule that can't be read":   {[]v1alpha1.DNSZone{zone("a", "a.example", 0, unreadable)}, nil, v1alpha1.ReasonDomainNotAllowed},
		"a longer apex is closed":             {[]v1alpha1.DNSZone{zone("a", "a.example", 0, everybody), zone("x", "xmpp.a.example", 0, nil)}, nil, v1alpha1.ReasonDomainNotAllowed},
		"of two with one apex the older open": {[]v1alpha1.DNSZone{zone("a", "a.example", 1, nil), zone("z", "a.example", 0, everybody)}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			apexes, refused := claims.Place([]string{"xmpp.a.example"}, "chat", test.labels, test.zones)
			switch {
			case test.reason == "" && (refused != nil || apexes["xmpp.a.example"] != "a.example"):
				t.Errorf("got %v, %v", apexes, refused)
			case test.reason != "" && (refused == nil || refused.Reason != test.reason):
				t.Errorf("got %v, want %s", refused, test.reason)
			}
		})
	}
}

// A zone that was stored before admission refused such a selector does not name the namespace as the one to be allowed.
func TestOfASelectorThatCannotBeReadTheSameIsAlwaysSaid(t *testing.T) {
	unreadable := zone("a", "a.example", 0, &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.NamespaceSelector{
		MatchLabels: map[string]v1alpha1.LabelValue{"x y": "1", "b c": "1", "good": "1", "m n": "1"},
	}})
	for range 20 {
		if _, err := claims.Namespaces(&unreadable); err == nil || !strings.Contains(err.Error(), `"b c"`) {
			t.Fatalf("got %v, want one that names the first", err)
		}
	}
	_, refused := claims.Place([]string{"xmpp.a.example"}, "chat", nil, []v1alpha1.DNSZone{unreadable})
	if refused == nil || !strings.Contains(refused.Message, "Ready of the DNSZone") || strings.Contains(refused.Message, "chat") {
		t.Errorf("got %v, want one that leads to the DNSZone", refused)
	}
}

func TestOfNamespacesThatCannotBeReadNoneIsAllowed(t *testing.T) {
	half := zone("a", "a.example", 0, &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll})
	half.Unreadable = v1alpha1.UnreadableFields{{Path: "spec.namespaces.selector.matchExpressions[1]", Cause: "it is a number"}}
	if allowed, err := claims.Namespaces(&half); err == nil || allowed.Matches(labels.Set{}) {
		t.Errorf("got %v and %v", allowed, err)
	}
	half.Unreadable[0].Path = "spec.brake.percent"
	if allowed, err := claims.Namespaces(&half); err != nil || !allowed.Matches(labels.Set{}) {
		t.Errorf("what says nothing of namespaces changes who is allowed: got %v and %v", allowed, err)
	}
}

// A DNSZone whose apex can't be read covers nothing, rather than all names, and a Federation without domains wants no name.
func TestNamesAreNotPlacedInAZoneWithoutApex(t *testing.T) {
	apexless := zone("a", "", 0, &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll})
	if apexes, refused := claims.Place([]string{"a.example"}, "chat", nil, []v1alpha1.DNSZone{apexless}); refused == nil {
		t.Errorf("got %v", apexes)
	}
	if names := desired.Claims(&v1alpha1.Federation{}); len(names) > 0 {
		t.Errorf("got %q", names)
	}
}

func TestTheLabelsOfASelectorAllHaveToMatch(t *testing.T) {
	both := zone("a", "a.example", 0, &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.NamespaceSelector{
		MatchLabels:      map[string]v1alpha1.LabelValue{"team": "chat"},
		MatchExpressions: []v1alpha1.NamespaceRequirement{{Key: "publishes", Operator: metav1.LabelSelectorOpExists}},
	}})
	allowed, err := claims.Namespaces(&both)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		labels labels.Set
		want   bool
	}{
		{labels.Set{"team": "chat", "publishes": ""}, true}, {labels.Set{"team": "chat"}, false}, {labels.Set{"publishes": ""}, false},
	} {
		if got := allowed.Matches(test.labels); got != test.want {
			t.Errorf("labels %v: got %t, want %t", test.labels, got, test.want)
		}
	}
	empty := zone("a", "a.example", 0, &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.NamespaceSelector{}})
	if allowed, err = claims.Namespaces(&empty); err != nil || !allowed.Matches(labels.Set{}) {
		t.Errorf("an empty selector: got %v, %v, want everything", allowed, err)
	}
}
