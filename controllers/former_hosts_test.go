// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// renameTime is now in the tests of this file.
var renameTime = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// former is a former host that goes some seconds after now; negative: it is not known yet when.
func former(hostname string, ttl, left int) v1alpha1.FormerHost {
	host := v1alpha1.FormerHost{Hostname: hostname, TTL: int32(ttl)}
	if left >= 0 {
		until := metav1.NewTime(renameTime.Add(time.Duration(left) * time.Second))
		host.Until = &until
	}
	return host
}

// publishedAt is the status of a Federation with a host name and the records that go with it.
func publishedAt(hostname string, ttl int32, hosts ...v1alpha1.FormerHost) *v1alpha1.FederationStatus {
	return &v1alpha1.FederationStatus{Hostname: hostname, FormerHosts: hosts, Records: []v1alpha1.RecordStatus{
		{Name: "_xmpp-server._tcp.cupdomain.com", Type: "SRV", TTL: ttl, State: v1alpha1.RecordPublished},
		{Name: hostname, Type: "A", TTL: ttl, Data: []string{"203.0.113.5"}, State: v1alpha1.RecordPending},
		{Name: "a.cupdomain.com", Type: "A", TTL: 9999, Data: []string{"203.0.113.5"}, State: v1alpha1.RecordPublished},
	}}
}

const notYet = -1

func TestWhichHostsKeepTheirAddresses(t *testing.T) {
	unpublished := publishedAt("b.cupdomain.com", 300)
	unpublished.Records = nil
	leftToPeople := publishedAt("b.cupdomain.com", 300)
	leftToPeople.Records[1].State = v1alpha1.RecordLeftover
	var many []v1alpha1.FormerHost
	for i := range v1alpha1.MaxFormerHosts {
		many = append(many, former(fmt.Sprintf("host%d.cupdomain.com", i), 300, notYet))
	}
	for name, test := range map[string]struct {
		status *v1alpha1.FederationStatus
		want   []v1alpha1.FormerHost
	}{
		"nothing is published yet":              {&v1alpha1.FederationStatus{}, nil},
		"the host name is the same":             {publishedAt("c.cupdomain.com", 300), nil},
		"the host name changed":                 {publishedAt("b.cupdomain.com", 300), []v1alpha1.FormerHost{former("b.cupdomain.com", 300, notYet)}},
		"the former host never had an address":  {unpublished, nil},
		"people are to remove its address":      {leftToPeople, nil},
		"several changes in a row":              {publishedAt("b.cupdomain.com", 60, former("a.cupdomain.com", 300, notYet)), []v1alpha1.FormerHost{former("a.cupdomain.com", 300, notYet), former("b.cupdomain.com", 60, notYet)}},
		"a change while another's time runs":    {publishedAt("b.cupdomain.com", 60, former("a.cupdomain.com", 300, 1)), []v1alpha1.FormerHost{former("a.cupdomain.com", 300, 1), former("b.cupdomain.com", 60, notYet)}},
		"a change back":                         {publishedAt("b.cupdomain.com", 60, former("c.cupdomain.com", 300, 200)), []v1alpha1.FormerHost{former("b.cupdomain.com", 60, notYet)}},
		"the time is over":                      {publishedAt("c.cupdomain.com", 300, former("a.cupdomain.com", 300, 0)), nil},
		"the time is almost over":               {publishedAt("c.cupdomain.com", 300, former("a.cupdomain.com", 300, 1)), []v1alpha1.FormerHost{former("a.cupdomain.com", 300, 1)}},
		"more changes than status has room for": {publishedAt("b.cupdomain.com", 300, many...), append(slices.Clone(many[1:]), former("b.cupdomain.com", 300, notYet))},
	} {
		if diff := cmp.Diff(test.want, formerHosts(test.status, "c.cupdomain.com", renameTime)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheTimeOfAFormerHostBeginsOnceItIsServedAnewAndThenStands(t *testing.T) {
	hosts := []v1alpha1.FormerHost{former("a.cupdomain.com", 300, notYet), former("b.cupdomain.com", 300, 5)}
	timed, soonest := servedAnew(hosts, renameTime.Add(time.Millisecond))
	if diff := cmp.Diff([]v1alpha1.FormerHost{former("a.cupdomain.com", 300, 301), hosts[1]}, timed); diff != "" {
		t.Errorf("status keeps whole seconds, and none too few (-want +got):\n%s", diff)
	}
	if want := 5*time.Second - time.Millisecond; soonest != want {
		t.Errorf("the first goes after %s, want %s", soonest, want)
	}
	again, _ := servedAnew(timed, renameTime.Add(time.Second))
	if diff := cmp.Diff(timed, again); diff != "" {
		t.Errorf("published again (-first +again):\n%s", diff)
	}
	if none, soonest := servedAnew(nil, renameTime); none != nil || soonest != 0 {
		t.Errorf("without former hosts there is %v to be done after %s", none, soonest)
	}
}

// One that others wait for in a circle does not wait for caches, whatever was written down before.
func TestAFormerHostThatYieldsGoesAtOnce(t *testing.T) {
	yielding := func(host v1alpha1.FormerHost) v1alpha1.FormerHost {
		host.Yielding = true
		return host
	}
	hosts := []v1alpha1.FormerHost{yielding(former("a", 300, notYet)), yielding(former("b", 300, 200)), former("c", 300, notYet)}
	timed, soonest := servedAnew(hosts, renameTime)
	want := []v1alpha1.FormerHost{yielding(former("a", 300, 1)), yielding(former("b", 300, 1)), former("c", 300, 300)}
	if diff := cmp.Diff(want, timed); diff != "" || soonest != time.Second {
		t.Errorf("soonest %s (-want +got):\n%s", soonest, diff)
	}
}
