// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

const (
	// manyPeers answer, deadPeers don't exist.
	manyPeers, deadPeers = 300, 10
	// manyInterval is the interval within which all have to be tried; anotherInterval makes further rounds quick.
	manyInterval, anotherInterval = 5 * time.Minute, 30 * time.Second
	maxStatusSize                 = 256 << 10
	maxMemoryGrowth               = 64 << 20
)

// 300 partners of one Federation, and some that don't exist, are all tried within one interval; that makes neither the
// status nor the operator big, and when nothing changes, further rounds write nothing.
func TestPeer300(t *testing.T) {
	needs(t, usual, exclusive(serverOf("many")))
	s := newAllowedSite(t)
	t.Cleanup(func() { s.lab("partner", "stop", "many") })
	s.lab("partner", "start", "many")
	s.Expect(s.records(lab.Secondary, "_xmpp-server._tcp.p300.many.example", dns.TypeSRV)).To(HaveLen(1))
	fed := s.peered("peermany."+zone, manyInterval, func(*v1alpha1.FederationSpec) {})
	before := s.operatorMemory()

	began := time.Now()
	change(s, fed, func(fed *v1alpha1.Federation) { fed.Spec.Peers = hundreds() })
	s.Eventually(func() int {
		s.condition(fed, v1alpha1.ConditionReady)
		tried := 0
		for _, status := range fed.Status.Peers {
			if status.Reason != v1alpha1.ReasonNotChecked {
				tried++
			}
		}
		return tried
	}, manyInterval, time.Second).Should(Equal(manyPeers + deadPeers))
	took := time.Since(began)
	s.Eventually(func() string { s.condition(fed, v1alpha1.ConditionReady); return fed.Status.PeersReachable }, manyInterval, time.Second).
		Should(Equal(fmt.Sprintf("%d/%d", manyPeers, manyPeers+deadPeers)))
	for _, status := range fed.Status.Peers {
		if strings.HasSuffix(status.Domain, ".invalid") {
			s.Expect(status.Reason).To(Equal(v1alpha1.ReasonPeerDNS))
		}
	}
	status, err := json.Marshal(fed.Status)
	s.must(err)
	after := s.operatorMemory()

	t.Logf("%d peers and %d that don't exist: a verdict on each %.0f s after they were listed (interval %s)\n"+
		"status: %d bytes (limit %d)\noperator's memory: %.1f MiB before, %.1f MiB after (limit: %d MiB more)",
		manyPeers, deadPeers, took.Seconds(), manyInterval, len(status), maxStatusSize, mebibytes(before), mebibytes(after),
		maxMemoryGrowth>>20)
	s.Expect(len(status)).To(BeNumerically("<", maxStatusSize))
	s.Expect(after - before).To(BeNumerically("<", maxMemoryGrowth))
	t.Logf("writes to the API server: %s", s.quietRounds(fed))
}

// hundreds are the partners.
func hundreds() []v1alpha1.Peer {
	var peers []v1alpha1.Peer
	for i := range manyPeers {
		peers = append(peers, v1alpha1.Peer{Domain: v1alpha1.DomainName(fmt.Sprintf("p%03d.many.example", i+1)), Profile: v1alpha1.PeerProfileStandard})
	}
	for i := range deadPeers {
		peers = append(peers, v1alpha1.Peer{Domain: v1alpha1.DomainName(fmt.Sprintf("dead%d.invalid", i+1)), Profile: v1alpha1.PeerProfileStandard})
	}
	return peers
}

// quietRounds shortens the interval and counts what the operator writes about the Federation in each of two rounds: in
// the last, nothing, for nothing means anything else than before.
func (s *site) quietRounds(fed *v1alpha1.Federation) string {
	s.Helper()
	change(s, fed, func(fed *v1alpha1.Federation) {
		fed.Spec.Verification.Interval = metav1.Duration{Duration: anotherInterval}
	})
	s.awaitReady(fed)
	var counts []int
	for range 2 {
		written := s.watchLog(lab.AuditLog, `"username":"system:serviceaccount:`+operatorNamespace)
		round, stop := contextWithin(s, anotherInterval)
		<-round.Done()
		stop()
		counts = append(counts, len(about(s.writes(written()), s.namespace)))
		s.condition(fed, v1alpha1.ConditionReady)
	}
	s.Expect(counts[1]).To(BeZero(), "writes during the last round")
	return fmt.Sprintf("%d, then %d in rounds of %s", counts[0], counts[1], anotherInterval)
}

// about leaves out the writes to other namespaces.
func about(lines []string, namespace string) []string {
	var all []string
	for _, line := range lines {
		if strings.Contains(line, namespace) {
			all = append(all, line)
		}
	}
	return all
}

// operatorMemory is how much memory the operator's process has in use, in bytes.
func (s *site) operatorMemory() int {
	s.Helper()
	status, err := os.ReadFile(filepath.Join(s.operatorProcess(), "status"))
	s.must(err)
	for line := range strings.Lines(string(status)) {
		var kibibytes int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kibibytes); err == nil {
			return kibibytes << 10
		}
	}
	s.Fatalf("no VmRSS in:\n%s", status)
	return 0
}

// operatorProcess is the directory in /proc of the operator.
func (s *site) operatorProcess() string {
	s.Helper()
	var pods corev1.PodList
	s.must(cluster.List(s.ctx, &pods, client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/component": "operator"}))
	s.Expect(pods.Items).To(HaveLen(1))
	return s.processOf(&pods.Items[0])
}

// processOf is the directory in /proc of a process of the pod's container: the node is this machine, and processes tell by
// their control group what container they are in.
func (s *site) processOf(pod *corev1.Pod) string {
	s.Helper()
	_, container, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	s.must(err)
	for _, file := range groups {
		if group, err := os.ReadFile(file); err == nil && strings.Contains(string(group), container) { // else it has just ended
			return filepath.Dir(file)
		}
	}
	s.Fatalf("no process in container %s", container)
	return ""
}

func mebibytes(bytes int) float64 { return float64(bytes) / (1 << 20) }
