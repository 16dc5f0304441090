// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

func TestFederation_WhatCanNotBeReadIsNamedAndTheRestIsKept(t *testing.T) {
	const domains = `"domains": ["a.example", "b.example"]`
	for name, test := range map[string]struct {
		spec string
		// unreadable are the paths, kept is the spec without what they name.
		unreadable []string
		kept       string
	}{
		"a good spec":             {domains + `, "suspend": true`, nil, domains + `, "suspend": true`},
		"a quantity":              {domains + `, "server": {"image": "i", "storage": {"size": "abc"}}`, []string{"spec.server.storage.size"}, domains + `, "server": {"image": "i"}`},
		"a quantity in a map":     {domains + `, "server": {"podTemplate": {"resources": {"limits": {"cpu": "1e1.5", "memory": "1Gi"}}}}`, []string{"spec.server.podTemplate.resources.limits.cpu"}, domains + `, "server": {"podTemplate": {"resources": {"limits": {"memory": "1Gi"}}}}`},
		"a duration":              {domains + `, "dns": {"ttl": 60, "maxCacheWait": "soon"}`, []string{"spec.dns.maxCacheWait"}, domains + `, "dns": {"ttl": 60}`},
		"a duration of no value":  {domains + `, "verification": {"interval": null}`, []string{"spec.verification.interval"}, domains},
		"a number that is a text": {domains + `, "dns": {"ttl": "60"}`, []string{"spec.dns.ttl"}, domains},
		"a number without end":    {domains + `, "dns": {"ttl": 5000000000}`, []string{"spec.dns.ttl"}, domains},
		"a member of a list":      {domains + `, "peers": [{"domain": "c.example"}, {"domain": "d.example", "kilobytesPerSecond": "many"}]`, []string{"spec.peers[1].kilobytesPerSecond"}, domains + `, "peers": [{"domain": "c.example"}, {"domain": "d.example"}]`},
		"an element of a list":    {`"domains": ["a.example", 7]`, []string{"spec.domains[1]"}, `"domains": ["a.example"]`},
		"a text that is a list":   {domains + `, "dns": {"hostname": ["x"]}`, []string{"spec.dns.hostname"}, domains},
		"an object that is none":  {domains + `, "dns": 5, "suspend": true`, []string{"spec.dns"}, domains + `, "suspend": true`},
		"two fields":              {`"domains": 5, "dns": {"ttl": true}`, []string{"spec.dns.ttl", "spec.domains"}, ``},
	} {
		t.Run(name, func(t *testing.T) {
			object := `{"metadata": {"name": "cup", "uid": "u", "finalizers": ["f"]}, "spec": {` + test.spec + `}, "status": {"hostname": "h"}}`
			var fed, kept v1alpha1.Federation
			if err := json.Unmarshal([]byte(object), &fed); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(`{"spec": {`+test.kept+`}}`), &kept); err != nil || kept.Unreadable != nil {
				t.Fatal(err, kept.Unreadable)
			}
			var paths []string
			for _, field := range fed.DeepCopy().Unreadable {
				paths = append(paths, field.Path)
			}
			if !slices.Equal(paths, test.unreadable) {
				t.Errorf("got %v, want %v", fed.Unreadable, test.unreadable)
			}
			if got, want := asJSON(t, fed.Spec), asJSON(t, kept.Spec); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if fed.Name != "cup" || fed.UID != "u" || len(fed.Finalizers) != 1 || fed.Status.Hostname != "h" {
				t.Errorf("metadata or status is lost: %+v", fed)
			}
		})
	}
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFederation_StatusThatCanNotBeReadIsAsIfItWereLost(t *testing.T) {
	var fed v1alpha1.Federation
	err := json.Unmarshal([]byte(`{"spec": {"domains": ["a.example"]}, "status": {"hostname": "h", "serviceRecordsWithdrawn": "soon",
		"peers": [{"domain": "c.example", "roundTrip": "long", "reason": "PeerDNS"}]}}`), &fed)
	if err != nil || fed.Unreadable != nil || fed.Status.Hostname != "h" || fed.Status.ServiceRecordsWithdrawn != nil ||
		len(fed.Status.Peers) != 1 || fed.Status.Peers[0].Reason != "PeerDNS" || fed.Status.Peers[0].RoundTrip != nil {
		t.Errorf("got %v, %+v", err, fed)
	}
}

func TestFederation_ReadAnewItForgetsWhatCouldNotBeRead(t *testing.T) {
	var fed v1alpha1.Federation
	for _, spec := range []string{`{"domains": 5}`, `{"domains": ["a.example"]}`} {
		if err := json.Unmarshal([]byte(`{"spec": `+spec+`}`), &fed); err != nil {
			t.Fatal(err)
		}
	}
	if fed.Unreadable != nil || len(fed.Spec.Domains) != 1 {
		t.Errorf("got %+v", fed)
	}
	if err := json.Unmarshal([]byte(`{"metadata": 5}`), &fed); err == nil {
		t.Error("an object without identity is read")
	}
}

func TestLists_OneObjectThatCanNotBeReadKeepsNoneFromBeingRead(t *testing.T) {
	var feds v1alpha1.FederationList
	var zones v1alpha1.DNSZoneList
	for into, items := range map[any]string{
		&feds:  `{"spec": {"domains": ["a.example"]}}, {"spec": {"domains": 5}}`,
		&zones: `{"spec": {"zone": "a.example"}}, {"spec": {"zone": "b.example", "brake": {"percent": "half"}}}`,
	} {
		if err := json.Unmarshal([]byte(`{"items": [`+items+`]}`), into); err != nil {
			t.Fatal(err)
		}
	}
	if len(feds.Items) != 2 || feds.Items[0].Unreadable != nil || !feds.Items[1].Unreadable.Within("spec.domains") {
		t.Errorf("got %+v", feds.Items)
	}
	if len(zones.Items) != 2 || !reflect.DeepEqual(zones.Items[1].Unreadable,
		v1alpha1.UnreadableFields{{Path: "spec.brake.percent", Cause: "a string can't stand here"}}) {
		t.Errorf("got %+v", zones.Items)
	}
}

func TestUnreadableFields_Within(t *testing.T) {
	fields := v1alpha1.UnreadableFields{{Path: "spec.dns.ttl"}, {Path: "spec.peers[1].domain", Cause: strings.Repeat("x", 3)}}
	for path, want := range map[string]bool{
		"spec.dns": true, "spec.dns.ttl": true, "spec.dns.ttl.x": true, "spec": true, "spec.peers": true,
		"spec.dn": false, "spec.dns.tt": false, "spec.domains": false,
	} {
		if fields.Within(path) != want {
			t.Errorf("%s: got %t", path, !want)
		}
	}
	if got := fields[1:].Err().Error(); got != "spec.peers[1].domain: xxx" {
		t.Errorf("got %s", got)
	}
}
