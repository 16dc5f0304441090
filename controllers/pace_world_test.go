// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/observe"
	"github.com/xmppfed/xmppfed/internal/operator"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// load is what the operator costs in a span of time.
type load struct {
	// Federations and Zones are reconciles of each kind.
	Federations, Zones int
	// Reads go to the API server past the cache. Writes go there as well.
	Reads, Writes int
	// Queries are questions to name servers, and updates.
	Queries int
}

// paced is a world whose reconcilers read from a real cache and are called when their work queues would call them, by a clock
// that jumps from one call to the next. It counts what they do.
type paced struct {
	*world
	federations, dnsZones []client.ObjectKey

	cache cache.Cache
	// due is when the work queues have each object reconciled next.
	due map[work]time.Time
	// checked receives the news of checks of the way in, which run in goroutines of their own. The world takes news after the next
	// reconcile, so counts differ by a few from run to run.
	checked chan event.TypedGenericEvent[*v1alpha1.Federation]
	// tokens are the names of the Secrets of the servers that take them.
	tokens map[string]string

	reconciles map[string]int
	reads      atomic.Int64
	writes     atomic.Int64
}

// work is an object in a work queue.
type work struct {
	kind string
	key  client.ObjectKey
}

const (
	kindFederation = "Federation"
	kindZone       = "DNSZone"
)

// newPaced is a world with ready Federations in cupdomain.com.
func newPaced(t *testing.T, federations int) *paced {
	t.Helper()
	p := &paced{
		world: newWorldWithZone(t), due: map[work]time.Time{}, reconciles: map[string]int{}, tokens: map[string]string{},
		checked: make(chan event.TypedGenericEvent[*v1alpha1.Federation], 1000),
	}
	nobody := &events.FakeRecorder{} // the world's takes a thousand events and then waits for a reader
	p.feds.Recorder, p.zones.Recorder = nobody, nobody
	p.dnsZones = []client.ObjectKey{{Name: "cupdomain-com"}}
	for i := range federations {
		p.addFederation(fmt.Sprintf("fed%03d", i), fmt.Sprintf("203.0.113.%d", i+1))
	}
	return p
}

// addFederation creates a Federation and brings it to Ready.
func (p *paced) addFederation(name, address string) {
	p.t.Helper()
	p.feds.Live = p.live
	p.create(name, func(fed *v1alpha1.Federation) {
		fed.Spec.Domains = []v1alpha1.DomainName{v1alpha1.DomainName(name + ".cupdomain.com")}
		fed.Spec.DNS.Hostname, fed.Spec.Server.GroupChat = v1alpha1.DomainName("xmpp."+name+".cupdomain.com"), nil
	})
	p.reconcile(name)
	p.assignAddress(name, address)
	p.runServer(name)
	p.reconcile(name)
	p.reconcile(name)
	p.expectCondition(p.get(name), v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
	p.federations = append(p.federations, p.key(name))
}

// live plays the servers of all Federations, each of which runs what the cluster holds. The token tells which one is asked.
func (p *paced) live(ctx context.Context, _, token string) (engine.LiveStatus, error) {
	if p.server.silent {
		return p.server.status(ctx, "", token)
	}
	secret, err := p.secretWith(ctx, token)
	if err != nil {
		return engine.LiveStatus{}, err
	}
	var config corev1.ConfigMap
	if err := p.api.Get(ctx, client.ObjectKeyFromObject(secret), &config); err != nil {
		return engine.LiveStatus{}, err
	}
	return liveStatus(config.Data, secret.Data, p.now)
}

// secretWith returns the Secret of the server that takes a token. All Secrets are listed only for a token that is new.
func (p *paced) secretWith(ctx context.Context, token string) (*corev1.Secret, error) {
	var secret corev1.Secret
	if name, known := p.tokens[token]; known {
		if err := p.api.Get(ctx, p.key(name), &secret); err != nil || string(secret.Data[engine.KeyToken]) == token {
			return &secret, err
		}
	}
	var secrets corev1.SecretList
	if err := p.api.List(ctx, &secrets, client.InNamespace(p.namespace)); err != nil {
		return nil, err
	}
	for _, secret := range secrets.Items {
		if string(secret.Data[engine.KeyToken]) == token {
			p.tokens[token] = secret.Name
			return &secret, nil
		}
	}
	return nil, fmt.Errorf("401 Unauthorized")
}

// addZones creates DNSZones without Federations.
func (p *paced) addZones(n int) {
	p.t.Helper()
	model := p.getZone("cupdomain-com")
	for i := range n {
		zone := &v1alpha1.DNSZone{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("zone%03d", i)}, Spec: *model.Spec.DeepCopy()}
		zone.Spec.Zone = v1alpha1.DomainName(zone.Name + ".example")
		p.Expect(p.api.Create(p.t.Context(), zone)).To(gomega.Succeed())
		p.zones.Changed = make(chan event.TypedGenericEvent[*v1alpha1.DNSZone], 1000)
		p.reconcileZone(zone.Name)
		p.zones.Changed = p.news
		p.dnsZones = append(p.dnsZones, client.ObjectKeyFromObject(zone))
	}
}

// start has the reconcilers read from a cache, and counts from now on. Everything is due at once, as after a change.
func (p *paced) start() {
	p.t.Helper()
	scheme, err := operator.Scheme()
	p.Expect(err).NotTo(gomega.HaveOccurred())
	config := rest.CopyConfig(kubetest.Operator(p.t))
	config.QPS, config.Burst = -1, 0
	p.cache, err = cache.New(config, cache.Options{Scheme: scheme})
	p.Expect(err).NotTo(gomega.HaveOccurred())
	p.Expect(controllers.IndexFederations(p.t.Context(), p.cache)).To(gomega.Succeed())
	p.Expect(observe.IndexEvents(p.t.Context(), p.cache)).To(gomega.Succeed())
	running := sync.WaitGroup{}
	ctx, stop := context.WithCancel(context.Background())
	p.t.Cleanup(func() { stop(); running.Wait() })
	running.Go(func() { _ = p.cache.Start(ctx) })
	p.Expect(p.cache.WaitForCacheSync(ctx)).To(gomega.BeTrue())

	live, err := client.NewWithWatch(config, client.Options{Scheme: scheme, Cache: &client.CacheOptions{Reader: p.cache}})
	p.Expect(err).NotTo(gomega.HaveOccurred())
	counting := p.counting(live)
	p.feds.Client, p.zones.Client = counting, counting
	p.feds.Reader, p.zones.Reader = countedReader{p.api, p}, countedReader{p.api, p}
	p.feds.DNSBelief = controllers.DNSBelief
	p.feds.Checked, p.feds.Inbound = p.checked, slowInbound{p}
	p.takeNews()
	for _, key := range p.federations {
		p.due[work{kindFederation, key}] = p.now
	}
	for _, key := range p.dnsZones {
		p.due[work{kindZone, key}] = p.now
	}
	p.queries.Store(0)
}

// run lets time pass, and has every object reconciled when it is due. It returns what that cost.
func (p *paced) run(span time.Duration) load {
	p.t.Helper()
	p.reconciles = map[string]int{}
	reads, writes, queries := p.reads.Load(), p.writes.Load(), p.queries.Load()
	for end := p.now.Add(span); ; {
		next, at := p.next()
		if next.kind == "" || at.After(end) {
			p.now = end
			break
		}
		if at.After(p.now) {
			p.now = at
		}
		p.work(next)
	}
	return load{
		Federations: p.reconciles[kindFederation], Zones: p.reconciles[kindZone], Reads: int(p.reads.Load() - reads),
		Writes: int(p.writes.Load() - writes), Queries: int(p.queries.Load() - queries),
	}
}

// next is what is due first.
func (p *paced) next() (first work, at time.Time) {
	for next, due := range p.due {
		if first.kind == "" || due.Before(at) || due.Equal(at) && next.key.String() < first.key.String() {
			first, at = next, due
		}
	}
	return first, at
}

// work reconciles one object, as a worker does, and puts it and others into the queue again.
func (p *paced) work(next work) {
	p.t.Helper()
	delete(p.due, next)
	p.reconciles[next.kind]++
	var result ctrl.Result
	var err error
	if next.kind == kindZone {
		result, err = p.zones.Reconcile(p.t.Context(), ctrl.Request{NamespacedName: next.key})
	} else {
		result, err = p.feds.Reconcile(p.t.Context(), ctrl.Request{NamespacedName: next.key})
	}
	p.Expect(err).NotTo(gomega.HaveOccurred())
	if result.RequeueAfter > 0 {
		p.enqueue(next, p.now.Add(result.RequeueAfter))
	}
	for len(p.checked) > 0 {
		p.enqueue(work{kindFederation, client.ObjectKeyFromObject((<-p.checked).Object)}, p.now)
	}
	if slices.Contains(p.takeNews(), "cupdomain-com") {
		p.enqueueAll()
	}
}

// enqueueAll has every Federation reconciled, as news of their zone do.
func (p *paced) enqueueAll() {
	for _, key := range p.federations {
		p.enqueue(work{kindFederation, key}, p.now)
	}
}

// enqueue keeps the earlier time, as work queues do.
func (p *paced) enqueue(what work, at time.Time) {
	if due, found := p.due[what]; !found || at.Before(due) {
		p.due[what] = at
	}
}

// slowInbound plays the checks from the wire, which run aside.
type slowInbound struct{ *paced }

func (i slowInbound) Inbound(context.Context, check.InboundTarget) check.Verdict { return i.verdict }

func (i slowInbound) Access(_ context.Context, target check.AccessTarget) check.Access {
	return check.Access{Reached: target.Domains}
}

func (i slowInbound) Serves(ctx context.Context, target check.InboundTarget) check.Proof {
	return inbound{i.world}.Serves(ctx, target)
}

// countedReader counts what is read past the cache.
type countedReader struct {
	client.Reader
	paced *paced
}

func (r countedReader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	r.paced.reads.Add(1)
	return r.Reader.Get(ctx, key, obj, opts...)
}

func (r countedReader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	r.paced.reads.Add(1)
	return r.Reader.List(ctx, list, opts...)
}

// counting counts what is written, and waits until the cache has it: otherwise what comes next would depend on who is faster.
func (p *paced) counting(live client.WithWatch) client.WithWatch {
	written := func(ctx context.Context, obj client.Object, err error) error {
		p.writes.Add(1)
		switch obj.(type) {
		case *v1alpha1.Federation, *v1alpha1.DNSZone:
			p.Eventually(func() string {
				cached := obj.DeepCopyObject().(client.Object)
				_ = p.cache.Get(ctx, client.ObjectKeyFromObject(obj), cached)
				return cached.GetResourceVersion()
			}).WithPolling(time.Millisecond).Should(gomega.Equal(obj.GetResourceVersion()))
		}
		return err
	}
	return interceptor.NewClient(live, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			switch obj.(type) {
			case *corev1.Secret, *corev1.ConfigMap:
				p.reads.Add(1)
				return p.api.Get(ctx, key, obj, opts...)
			}
			return c.Get(ctx, key, obj, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return written(ctx, obj, c.Create(ctx, obj, opts...))
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			p.writes.Add(1)
			return c.Delete(ctx, obj, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return written(ctx, obj, c.Patch(ctx, obj, patch, opts...))
		},
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			p.writes.Add(1)
			return c.Apply(ctx, obj, opts...)
		},
		SubResourcePatch: func(
			ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			return written(ctx, obj, c.SubResource(sub).Patch(ctx, obj, patch, opts...))
		},
	})
}

// fail has the zone's primary answer no probe and no Federation any more.
func (p *paced) fail(reason string, permanent bool) {
	trouble := &dns.Error{Reason: reason, Message: "what is wrong and who mends it", Permanent: permanent}
	p.probe = trouble
	p.zone.Fail(trouble)
}
