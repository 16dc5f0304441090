// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/event"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/operator"
	"github.com/xmppfed/xmppfed/internal/patrol"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// line is the way to the API server, which can be cut: who connects then is refused, as when the API server does not run.
type line struct {
	t      *testing.T
	target string
	// address to connect to.
	address string

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

func (l *line) connect() {
	l.t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener, l.address = listener, listener.Addr().String()
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return // it is cut
			}
			if far, err := net.Dial("tcp", l.target); err != nil {
				near.Close()
			} else {
				l.join(near, far)
			}
		}
	}()
}

func (l *line) join(near, far net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, near, far)
	for from, to := range map[net.Conn]net.Conn{near: far, far: near} {
		go func() {
			_, _ = io.Copy(to, from) // until the line is cut
			to.Close()
		}()
	}
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener.Close()
	for _, conn := range l.open {
		conn.Close()
	}
	l.open = nil
}

// lookups counts, by Federation, how often its Secrets were read past the cache: each look reads them.
type lookups struct {
	client.Reader
	mu                sync.Mutex
	succeeded, failed map[string]int
}

func (l *lookups) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	err := l.Reader.Get(ctx, key, obj, opts...)
	if kindOf(obj) != "Secret" {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	federation := strings.TrimSuffix(strings.TrimSuffix(key.Name, "-server"), "-tls")
	if client.IgnoreNotFound(err) == nil {
		l.succeeded[federation]++
	} else {
		l.failed[federation]++
	}
	return err
}

// least returns how often the one was looked at that was looked at least often.
func (l *lookups) least(counts func() map[string]int, names []string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	least := counts()[names[0]]
	for _, name := range names {
		least = min(least, counts()[name])
	}
	return least
}

func (l *lookups) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.succeeded)
	clear(l.failed)
}

// unreachable is the check of the way in where no server runs.
type unreachable struct{}

func (unreachable) Inbound(context.Context, check.InboundTarget) check.Verdict {
	return check.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonConnectionRefused, Message: "nobody listens"}
}

func (unreachable) Serves(context.Context, check.InboundTarget) check.Proof {
	return check.Proof{Missing: "no server answers"}
}

func (unreachable) Access(context.Context, check.AccessTarget) check.Access { return check.Access{} }

// startController runs the controller of Federations, with caches and watches, at the end of a line to the API server.
func (w *world) startController(address string) (*lookups, chan event.TypedGenericEvent[*v1alpha1.Federation]) {
	w.t.Helper()
	scheme, err := operator.Scheme()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	via := rest.CopyConfig(kubetest.Config(w.t))
	via.Host = "https://" + address
	mgr, err := ctrl.NewManager(via, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	read := &lookups{Reader: mgr.GetAPIReader(), succeeded: map[string]int{}, failed: map[string]int{}}
	checked := make(chan event.TypedGenericEvent[*v1alpha1.Federation])
	r := &controllers.FederationReconciler{
		Client: mgr.GetClient(), Reader: read, Applier: apply.New(mgr.GetClient(), read), Recorder: w.events, Zones: w.feds.Zones,
		Servers:  map[v1alpha1.EngineName]controllers.Server{v1alpha1.EngineProsody: {Engine: prosody.Engine{}, Image: "prosody"}},
		Verifier: w.feds.Verifier, Signer: w.feds.Signer, Cluster: "test", Namespace: "xmppfed-system", Now: time.Now,
		Inbound: unreachable{}, Checked: checked, Peers: patrol.New(patrol.Wire{}, func(types.NamespacedName) {}),
		Live: func(context.Context, string, string) (engine.LiveStatus, error) {
			return engine.LiveStatus{}, errors.New("no server")
		},
	}
	w.Expect(r.SetupWithManager(mgr, w.news)).To(gomega.Succeed())
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	w.t.Cleanup(func() {
		stop()
		w.Eventually(ended, "30s").Should(gomega.Receive())
	})
	return read, checked
}

// Whoever was looked at in vain again and again while the API server was away is looked at soon after it is back, though nothing
// happens that would call for it.
func TestAfterAnOutageOfTheAPIServerEveryFederationIsLookedAtSoon(t *testing.T) {
	const (
		many  = 20
		tries = 9 // in vain; with a delay that doubles without bound the next would be 25 to 51 s later
		soon  = "15s"
	)
	w := newWorldWithZone(t)
	way := &line{t: t, target: strings.Trim(strings.TrimPrefix(kubetest.Config(t).Host, "https:"), "/"), address: "127.0.0.1:0"}
	way.connect()
	t.Cleanup(way.cut)
	read, checked := w.startController(way.address)
	var names []string
	for i := range many {
		name := fmt.Sprintf("cup%d", i)
		names = append(names, name)
		w.create(name, func(fed *v1alpha1.Federation) {
			domain := v1alpha1.DomainName(name + ".cupdomain.com")
			fed.Spec.Domains, fed.Spec.DNS.Hostname = []v1alpha1.DomainName{domain}, "xmpp."+domain
			fed.Spec.Server.GroupChat, fed.Spec.Exposure.PublicAddresses = nil, []string{publicAddress}
			fed.Spec.TLS = &v1alpha1.TLSSpec{SecretRef: &v1alpha1.SecretName{Name: name + "-tls"}}
		})
	}
	succeeded, failed := func() map[string]int { return read.succeeded }, func() map[string]int { return read.failed }
	w.Eventually(func() int { return read.least(succeeded, names) }, "60s", "50ms").Should(gomega.BeNumerically(">", 0))

	way.cut()
	for _, name := range names {
		checked <- event.TypedGenericEvent[*v1alpha1.Federation]{
			Object: &v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}},
		}
	}
	w.Eventually(func() int { return read.least(failed, names) }, "120s", "50ms").Should(gomega.BeNumerically(">=", tries))
	read.reset()
	way.connect()
	w.Eventually(func() int { return read.least(succeeded, names) }, soon, "50ms").Should(
		gomega.BeNumerically(">", 0), "lookups at the least lucky")
}
