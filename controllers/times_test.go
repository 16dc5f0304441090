// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/clock"
	"github.com/xmppfed/xmppfed/internal/dane"
)

// times calls visit with each time in a value, and the names of the fields that lead there. Pointers and lists that are empty
// get an element, so that no field is left out.
func times(value reflect.Value, path string, visit func(path string, at *metav1.Time)) {
	if at, ok := value.Addr().Interface().(*metav1.Time); ok {
		visit(path, at)
		return
	}
	switch value.Kind() {
	case reflect.Pointer:
		if value.IsNil() {
			value.Set(reflect.New(value.Type().Elem()))
		}
		times(value.Elem(), path, visit)
	case reflect.Slice:
		if value.Len() == 0 {
			value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		}
		times(value.Index(0), path, visit)
	case reflect.Struct:
		for i := range value.NumField() {
			if field := value.Type().Field(i); field.IsExported() {
				times(value.Field(i), path+"."+field.Name, visit)
			}
		}
	default: // no time in it
	}
}

// Whatever field of a status has a time: one that a clock which was a year ahead wrote is put right.
func TestNoTimeInStatusStaysInTheFuture(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	ahead := now.Add(365 * 24 * time.Hour)
	elsewhere := map[string]string{
		".Certificate.NotAfter": "it is that of the certificate",
		".Brake.Lost.Time":      "package brake corrects it",
	}
	fed, zone := &v1alpha1.FederationStatus{}, &v1alpha1.DNSZoneStatus{}
	for name, status := range map[string]struct {
		value   reflect.Value
		correct func()
		fields  int
	}{
		"Federation": {reflect.ValueOf(fed).Elem(), func() { correctTimes(fed, now) }, 8},
		"DNSZone":    {reflect.ValueOf(zone).Elem(), func() { correctZoneTimes(zone, now) }, 1},
	} {
		times(status.value, "", func(_ string, at *metav1.Time) { at.Time = ahead })
		status.correct()
		seen := 0
		times(status.value, "", func(path string, at *metav1.Time) {
			if elsewhere[path] != "" {
				return
			}
			if seen++; !at.Time.Equal(now) {
				t.Errorf("status%s of a %s is %s, want %s", path, name, at, now)
			}
		})
		if seen != status.fields {
			t.Errorf("%d times in the status of a %s were looked at, want %d", seen, name, status.fields)
		}
	}
}

// A time that could not be read would be written as null, which admission refuses with all that is written beside it.
func TestTimesThatCouldNotBeReadAreNow(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	status := &v1alpha1.FederationStatus{Conditions: []metav1.Condition{{}}, Peers: []v1alpha1.PeerStatus{{}}}
	correctTimes(status, now)
	if at := status.Conditions[0].LastTransitionTime; !at.Time.Equal(now) {
		t.Errorf("the condition has %s", at)
	}
	if at := status.Peers[0].LastTransitionTime; !at.Time.Equal(now) {
		t.Errorf("the peer has %s", at)
	}
}

func TestTimesThatCanBeTrueAreLeftAlone(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, int(time.Millisecond), time.UTC)
	withdrawn, until := metav1.NewTime(clock.Stamp(now)), metav1.NewTime(clock.Stamp(now).Add(5*time.Minute))
	status := v1alpha1.FederationStatus{
		ServiceRecordsWithdrawn: &withdrawn, FormerHosts: []v1alpha1.FormerHost{{Hostname: "a", TTL: 300, Until: &until}},
		Conditions: []metav1.Condition{{Type: "A", LastTransitionTime: metav1.NewTime(now.Add(-time.Hour))}},
	}
	want := status.DeepCopy()
	correctTimes(&status, now)
	if !equalStatus(&status, want) {
		t.Errorf("got %+v, want %+v", status, want)
	}
}

// The status is put right before anybody looks; those who wait don't rely on it.
func TestWhoeverWaitsDoesNotBelieveATimeFromTheFuture(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	ahead := metav1.NewTime(now.Add(365 * 24 * time.Hour))
	fed := &v1alpha1.Federation{}
	fed.Status.Zones = []string{"cupdomain.com"}
	fed.Status.Records = []v1alpha1.RecordStatus{{Name: "_xmpp-server._tcp.cupdomain.com", Type: "SRV", TTL: 300}}
	fed.Status.ServiceRecordsWithdrawn = &ahead
	r := &FederationReconciler{Now: func() time.Time { return now }}
	if after := failure(r.awaitCaches(t.Context(), newScope(fed))).After; after != 5*time.Minute {
		t.Errorf("deletion waits %s", after)
	}
	d := dane.Decide(dane.State{Served: "a", Next: "b", Since: ahead.Time},
		dane.Facts{Best: "b", Handed: "a", TTL: 5 * time.Minute, Now: now})
	if !d.Hold || d.After != 5*time.Minute {
		t.Errorf("the new certificate is held back: %t, for %s", d.Hold, d.After)
	}
}
