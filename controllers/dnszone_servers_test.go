// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"context"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// serials plays name servers.
type serials struct {
	newest uint32
	states []v1alpha1.NameServerStatus
	since  []uint32
}

func (s *serials) Serials(_ context.Context, _ dns.Provider, since uint32) (uint32, []v1alpha1.NameServerStatus, error) {
	s.since = append(s.since, since)
	return s.newest, s.states, nil
}

func server1(state v1alpha1.NameServerState, serial int64) v1alpha1.NameServerStatus {
	return v1alpha1.NameServerStatus{Name: "ns1.cupdomain.com", Address: "127.0.0.1", State: state, Serial: serial}
}

func TestAZoneTellsWhichVersionEachNameServerServes(t *testing.T) {
	w := newWorldWithZone(t)
	newest, err := w.zone.Zone(t.Context())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	status := w.getZone("cupdomain-com").Status
	w.Expect(status.InStep).To(gomega.Equal("1/1"))
	w.Expect(status.NameServers).To(gomega.Equal([]v1alpha1.NameServerStatus{
		server1(v1alpha1.NameServerInStep, int64(newest.Serial)),
	}))
}

func TestNameServersAreLookedAtOnceAMinuteAndWrittenDownWhenTheyChanged(t *testing.T) {
	w := newWorldWithZone(t)
	servers := &serials{newest: 5, states: []v1alpha1.NameServerStatus{server1(v1alpha1.NameServerInStep, 5)}}
	w.zones.Serials = servers
	w.reconcileZone("cupdomain-com")
	w.Expect(servers.since).To(gomega.BeEmpty(), "the minute is not over")
	w.pass(time.Minute)
	w.reconcileZone("cupdomain-com")
	w.Expect(w.journal).To(gomega.HaveLen(1))
	w.pass(time.Minute)
	w.reconcileZone("cupdomain-com")
	w.Expect(servers.since).To(gomega.HaveLen(2))
	w.Expect(w.journal).To(gomega.BeEmpty(), "nothing changed")
}

func TestANameServerIsBehindOnlyIfItDoesNotFollowWithinMoments(t *testing.T) {
	w := newWorldWithZone(t)
	servers := &serials{newest: 9, states: []v1alpha1.NameServerStatus{server1(v1alpha1.NameServerInStep, 8)}}
	w.zones.Serials = servers
	w.pass(time.Minute)
	w.reconcileZone("cupdomain-com")
	w.Expect(w.journal).To(gomega.BeEmpty(), "it may be about to follow")
	servers.states[0].State = v1alpha1.NameServerBehind
	w.pass(3 * time.Second)
	w.reconcileZone("cupdomain-com")
	w.Expect(servers.since).To(gomega.HaveLen(2))
	w.Expect(servers.since[1]).To(gomega.Equal(uint32(9)), "it is held against what the primary had before")
	status := w.getZone("cupdomain-com").Status
	w.Expect(status.InStep).To(gomega.Equal("0/1"))
	w.Expect(status.NameServers).To(gomega.Equal([]v1alpha1.NameServerStatus{server1(v1alpha1.NameServerBehind, 8)}))
}
