// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/faults"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/test/cgroup"
	"github.com/xmppfed/xmppfed/test/hostile"
)

// droppingAddress is where the node discards packets of pods. The attackers have addresses of their own on the node.
const (
	droppingAddress   = "198.18.0.1"
	attackersFirst    = "198.18.0.11"
	attackerAddresses = 8
)

// attackers are in the node's network, as close to the pod as anybody may be, and have the lab's DNS say whatever they want.
type attackers struct {
	*site
	addresses []netip.Addr

	mu     sync.Mutex
	points map[string]bool // names that have records
}

// attackers settle on the node until the test ends.
func (s *site) attackers() *attackers {
	s.Helper()
	uses(s.T, exclusive(attackersAddresses))
	a := &attackers{site: s, points: map[string]bool{}}
	for address := netip.MustParseAddr(attackersFirst); len(a.addresses) < attackerAddresses; address = address.Next() {
		a.addresses = append(a.addresses, address)
		s.ip("address", "replace", address.String()+"/32", "dev", "lo")
		s.Cleanup(func() { s.ip("address", "delete", address.String()+"/32", "dev", "lo") })
	}
	s.ip("route", "replace", "blackhole", droppingAddress)
	s.Cleanup(func() { s.ip("route", "delete", "blackhole", droppingAddress) })
	s.Cleanup(a.forget)
	return a
}

func (s *site) ip(args ...string) {
	s.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		s.Errorf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// chunk is how many names one update of the DNS has room for.
const chunk = 300

// Point implements [hostile.Names] by records below the root, which are good for a second.
func (a *attackers) Point(address netip.AddrPort, domains ...string) error {
	host := strings.ReplaceAll(address.Addr().String(), ".", "-") + ".attackers.example."
	commands := []string{"zone .", fmt.Sprintf("update add %s 1 A %s", host, address.Addr())}
	for i, domain := range domains {
		if i%chunk == chunk-1 {
			commands = append(commands, "send", "zone .")
		}
		name := "_xmpp-server._tcp." + domain + "."
		commands = append(commands, "update delete "+name+" SRV", fmt.Sprintf("update add %s 1 SRV 0 0 %d %s", name, address.Port(), host))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.points[host] = true
	for _, domain := range domains {
		a.points["_xmpp-server._tcp."+domain+"."] = true
	}
	return lab.Update(a.ctx, commands...)
}

// forget removes the records.
func (a *attackers) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	commands := []string{"zone ."}
	for name := range a.points {
		if commands = append(commands, "update delete "+name); len(commands)%chunk == 0 {
			commands = append(commands, "send", "zone .")
		}
	}
	if err := lab.Update(context.WithoutCancel(a.ctx), commands...); err != nil {
		a.Error(err)
	}
}

// target is the server of a Federation, in the pod that runs now.
func (a *attackers) target(fed *v1alpha1.Federation) hostile.Target {
	a.Helper()
	pod, group := a.pod(fed), a.podGroup(fed)
	at := func(port int32) string { return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(port))) }
	domain := string(fed.Spec.Domains[0])
	return hostile.Target{
		Domain: domain, Rooms: "conference." + domain,
		S2S: at(engine.PortNumberS2S), C2S: at(engine.PortNumberC2S), S2STLS: at(engine.PortNumberS2STLS),
		Addresses: a.addresses,
		Bystander: hostile.Account{Name: "alice", Password: "alices-password"},
		Attacker:  hostile.Account{Name: "mallory", Password: "mallorys-password"},
		Issue:     func(names ...string) tls.Certificate { return a.keyPair(faults.CertificateSpec{Names: names}) },
		Expired: func(names ...string) tls.Certificate {
			return a.keyPair(faults.CertificateSpec{Names: names, NotAfter: -time.Minute})
		},
		Names: a, Dropping: netip.MustParseAddrPort(droppingAddress + ":5269"),
		Alive:     func() error { return a.alive(pod, at(engine.PortNumberS2S)) },
		Killed:    func() int { return a.killed(pod) },
		ResetPeak: group.ResetPeak,
		Peak: func() int64 {
			peak, err := group.Peak()
			a.must(err)
			return peak
		},
	}
}

func (a *attackers) keyPair(spec faults.CertificateSpec) tls.Certificate {
	cert, key, err := spec.Issue()
	if err != nil {
		panic(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		panic(err)
	}
	return pair
}

// alive returns why the server that ran in the pod does so no longer.
func (a *attackers) alive(pod *corev1.Pod, address string) error {
	var now corev1.Pod
	if err := cluster.Get(a.ctx, client.ObjectKeyFromObject(pod), &now); err != nil {
		return err
	}
	status := now.Status.ContainerStatuses[0]
	switch last := status.LastTerminationState.Terminated; {
	case now.UID != pod.UID:
		return errors.New("the pod was replaced")
	case status.State.Terminated != nil:
		return errors.New("the container has ended: " + status.State.Terminated.Reason)
	case status.RestartCount > 0 && last != nil:
		return fmt.Errorf("the container has started %d times more: %s", status.RestartCount, last.Reason)
	}
	conn, err := net.DialTimeout("tcp", address, soon)
	if err != nil {
		return err
	}
	return conn.Close()
}

// oomKilled is what kubelet calls the end of a container by the kernel.
const oomKilled = "OOMKilled"

// killed is how often the kernel has ended the pod's container.
func (a *attackers) killed(pod *corev1.Pod) int {
	var now corev1.Pod
	a.must(cluster.Get(a.ctx, client.ObjectKeyFromObject(pod), &now))
	status := now.Status.ContainerStatuses[0]
	killed := 0
	if ended := status.State.Terminated; ended != nil && ended.Reason == oomKilled {
		killed++
	}
	if last := status.LastTerminationState.Terminated; last != nil && last.Reason == oomKilled {
		killed += int(status.RestartCount)
	}
	return killed
}

// podGroup is the control group of the server's pod, which outlives its containers.
func (s *site) podGroup(fed *v1alpha1.Federation) *cgroup.Group {
	s.Helper()
	process := s.processOf(s.pod(fed))
	group, err := cgroup.Of(filepath.Join(process, "cgroup"))
	s.must(err)
	return group.Parent()
}

// awaitOtherPod waits until another pod than that is ready.
func (s *site) awaitOtherPod(fed *v1alpha1.Federation, than types.UID) {
	s.Helper()
	s.Eventually(func(g Gomega) {
		var pod corev1.Pod
		err := cluster.Get(s.ctx, client.ObjectKey{Namespace: fed.Namespace, Name: fed.Name + "-0"}, &pod)
		g.Expect(apierrors.IsNotFound(err)).To(BeFalse())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(pod.UID).NotTo(Equal(than))
		g.Expect(pod.Status.Conditions).To(ContainElement(And(
			HaveField("Type", corev1.PodReady), HaveField("Status", corev1.ConditionTrue))))
	}, readyWithin, poll).Should(Succeed())
}
