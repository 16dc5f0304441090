// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// look lets the time of one interval pass, and has a Federation looked at. It returns the resource version, by which writes are seen.
func (w *world) look(fed string) string {
	w.t.Helper()
	w.pass(5 * time.Minute)
	w.reconcile(fed)
	return w.get(fed).ResourceVersion
}

// limited reports whether a Federation has the condition that speaks of limits.
func (w *world) limited(fed string) bool {
	w.t.Helper()
	return meta.FindStatusCondition(w.get(fed).Status.Conditions, v1alpha1.ConditionLimitsReached) != nil
}

// refused is what the servers of these tests have refused.
func refused(counts map[string]int64) engine.LiveLimits { return engine.LiveLimits{Refused: counts} }

func TestLimitsReached_IsSaidWhileTheServerRefuses(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.server.counted = refused(map[string]int64{"pending names": 7})
	w.restartOperator()
	w.look("cup")
	w.look("cup")
	w.Expect(w.limited("cup")).To(gomega.BeFalse(), "what was refused before the operator looked may be over")
	w.takeEvents()

	w.server.counted = refused(map[string]int64{"pending names": 8})
	written := w.look("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionLimitsReached, metav1.ConditionTrue, v1alpha1.ReasonRefusing,
		"in the last 15 minutes the server refused or delayed what was beyond these bounds: pending names;", "list the partner's domain in spec.peers")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	events := w.takeEvents()
	w.Expect(events).To(gomega.HaveLen(1))
	w.Expect(events[0]).To(gomega.HavePrefix("Normal " + v1alpha1.ReasonRefusing))

	w.server.counted = refused(map[string]int64{"pending names": 900})
	w.Expect(w.look("cup")).To(gomega.Equal(written), "a counter that moves is nothing to write down")
	w.restartOperator()
	w.Expect(w.look("cup")).To(gomega.Equal(written), "nor is a restart")
	w.server.counted = refused(map[string]int64{"pending names": 901})
	w.Expect(w.look("cup")).To(gomega.Equal(written))
	w.Expect(w.look("cup")).To(gomega.Equal(written), "it has not been quiet for long")
	w.restartOperator()
	w.Expect(w.look("cup")).To(gomega.Equal(written), "which a restart does not make it")
	w.Expect(w.look("cup")).To(gomega.Equal(written))
	w.Expect(w.takeEvents()).To(gomega.BeEmpty())
	w.look("cup")
	w.look("cup")
	w.Expect(w.limited("cup")).To(gomega.BeFalse())
}

func TestLimitsReached_SaysThatMemoryIsShort(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.look("cup")
	w.takeEvents()
	w.server.counted = refused(map[string]int64{"memory": 1, "names\n" + strings.Repeat("x", 100): 1})
	w.look("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionLimitsReached, metav1.ConditionTrue, v1alpha1.ReasonShortOfMemory,
		"raise the limit in spec.server.podTemplate.resources", "memory, names?xxx")
	w.Expect(w.takeEvents()).To(gomega.ContainElement(gomega.HavePrefix("Warning " + v1alpha1.ReasonShortOfMemory)))
	w.server.silent = true
	w.look("cup")
	for range 4 {
		w.look("cup")
	}
	w.Expect(w.limited("cup")).To(gomega.BeTrue(), "a server that does not answer has not got better")
}

func TestLimitsReached_IsNotSaidOfWhatIsLongOver(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup")
	w.server.counted = refused(map[string]int64{"pending names": 7})
	w.restartOperator()
	w.look("cup")
	w.ready("cup", 0) // it misses its probes for a moment, so that nobody asks it
	w.look("cup")
	w.ready("cup", 1)
	w.look("cup")
	w.expectCondition(w.get("cup"), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	w.Expect(w.limited("cup")).To(gomega.BeFalse())
}

func TestDelayedPeers_AreSaidInStatus(t *testing.T) {
	w := newWorldWithZone(t)
	w.createReady("cup", withPeers(partner("gmail.com"), partner("quiet.example")))
	w.look("cup")
	w.server.counted = engine.LiveLimits{Delayed: map[string]int64{"gmail.com": 10, "": 20, "unlisted.example": 10}}
	written := w.look("cup")
	began := w.now
	peers := w.get("cup").Status.Peers
	w.Expect(peers[0].DelayedSince).NotTo(gomega.BeNil())
	w.Expect(peers[0].DelayedSince.Time).To(gomega.BeTemporally("==", began.Truncate(time.Second)))
	w.Expect(peers[1].DelayedSince).To(gomega.BeNil())
	w.expectCondition(w.get("cup"), v1alpha1.ConditionLimitsReached, metav1.ConditionTrue, v1alpha1.ReasonRefusing,
		"rate of unlisted domains")

	w.restartOperator()
	w.server.counted.Delayed["gmail.com"] = 300
	w.Expect(w.look("cup")).To(gomega.Equal(written))
	w.server.counted.Delayed["gmail.com"], w.server.counted.Delayed[""] = 310, 30
	w.Expect(w.look("cup")).To(gomega.Equal(written))
	for range 3 {
		w.look("cup")
	}
	w.Expect(w.get("cup").Status.Peers[0].DelayedSince).To(gomega.BeNil())
	w.Expect(w.limited("cup")).To(gomega.BeFalse())
}
