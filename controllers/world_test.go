// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"context"
	"fmt"
	"os"
	"path"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	miekg "github.com/miekg/dns"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/operator"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(kubetest.Run(m))
}

// publicAddress is what the load balancer of these tests assigns.
const publicAddress = "203.0.113.130"

// world is a real API server, a real zone in memory with an authoritative server, and the two reconcilers, called by
// hand. What other controllers, the kubelet and partners would do is done by the methods in cluster_test.go.
type world struct {
	*gomega.WithT
	t *testing.T

	// api reads and writes without being noticed; the reconcilers' own client notes writes in journal.
	api       client.Client
	namespace string
	journal   []string
	// failures to come, by what is written.
	failures map[string]failure

	feds  *controllers.FederationReconciler
	zones *controllers.DNSZoneReconciler
	// zone is cupdomain.com; probe is the error of its servers, if any.
	zone   *dnstest.Memory
	probe  error
	news   chan event.TypedGenericEvent[*v1alpha1.DNSZone]
	events *events.FakeRecorder

	now     time.Time
	verdict check.Verdict
	checks  []check.InboundTarget
	// access is what partners get; absent: what the verdict says, of every domain.
	access func(check.AccessTarget) check.Access
	tries  []check.AccessTarget
	// asked counts how often pods were asked what they serve.
	asked int
	// unsigned is why the zone is not signed, signedUnknown why that can't be found out.
	unsigned      string
	signedUnknown error
	server        *server
	// pods counts those that ran.
	pods  int
	guard *guard
	// queries to name servers, and updates, so far.
	queries atomic.Int64
	// looks are those that Federations asked for since their status changed last.
	looks map[client.ObjectKey]looks
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		WithT: gomega.NewWithT(t), t: t, now: time.Now().Truncate(time.Second),
		verdict: check.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReachable, Message: "partners reach it"},
		zone:    dnstest.NewMemory("cupdomain.com"),
		events:  events.NewFakeRecorder(1000), failures: map[string]failure{}, looks: map[client.ObjectKey]looks{},
		news: make(chan event.TypedGenericEvent[*v1alpha1.DNSZone], 100),
	}
	w.server, w.guard = &server{world: w}, newGuard()
	scheme, err := operator.Scheme()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	connect := func(config *rest.Config) client.WithWatch {
		config = rest.CopyConfig(config)
		config.WarningHandler = rest.NoWarnings{}
		c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
		w.Expect(err).NotTo(gomega.HaveOccurred())
		return c
	}
	w.api = connect(kubetest.Config(t))
	// With the operator's rights, so that every test shows that these are enough.
	live := connect(kubetest.Operator(t))
	w.namespace = w.newNamespace("chat-")
	w.newNamespaceNamed("xmppfed-system")

	noting := w.notingClient(live)
	zones := controllers.NewZones(func() time.Time { return w.now })
	signer, err := dns.NewSigner([]byte("a signing key of these tests only"))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	clock, verifier := func() time.Time { return w.now }, w.serveZone()
	w.zones = &controllers.DNSZoneReconciler{
		Client: noting, Reader: live, Recorder: w.events, Zones: zones, Namespace: "xmppfed-system", Now: clock, Changed: w.news,
		NewProvider: w.newProvider, Serials: verifier,
	}
	w.feds = &controllers.FederationReconciler{
		Client: noting, Reader: live, Applier: apply.New(noting, live), Recorder: w.events, Zones: zones,
		Servers: map[v1alpha1.EngineName]controllers.Server{
			v1alpha1.EngineProsody: {Engine: prosody.Engine{}, Image: "registry.example/prosody:13.0"},
		},
		Verifier: signing{verifier, w}, Signer: signer, Inbound: inbound{w}, Live: w.server.status, Peers: w.guard,
		Cluster: "test", Namespace: "xmppfed-system", Now: clock,
	}
	t.Cleanup(w.clean)
	return w
}

// newWorldWithZone is a world in which the platform team lets every namespace publish in cupdomain.com.
func newWorldWithZone(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.createKey(goodKey)
	w.createZone("cupdomain-com", nil)
	w.reconcileZone("cupdomain-com")
	return w
}

// serveZone answers for cupdomain.com at a port of the loopback interface, as its name servers do.
func (w *world) serveZone() verify.Verifier {
	const loopback = "127.0.0.1"
	port := dnstest.FreePort(w.t, loopback)
	answer := dnstest.Authority(w.zone)
	dnstest.Serve(w.t, fmt.Sprintf("%s:%d", loopback, port), miekg.HandlerFunc(func(to miekg.ResponseWriter, question *miekg.Msg) {
		w.queries.Add(1)
		answer(to, question)
	}), nil)
	w.zone.SetNameServers("ns1.cupdomain.com")
	w.edit(addressRecord("ns1.cupdomain.com", loopback))
	return verify.Verifier{Port: uint16(port)}
}

// clean takes away what is not in a namespace of this test alone.
func (w *world) clean() {
	ctx := context.Background()
	var feds v1alpha1.FederationList
	w.Expect(w.api.List(ctx, &feds)).To(gomega.Succeed())
	for i := range feds.Items {
		fed := &feds.Items[i]
		before := fed.DeepCopy()
		fed.Finalizers = nil
		w.Expect(client.IgnoreNotFound(w.api.Patch(ctx, fed, client.MergeFrom(before)))).To(gomega.Succeed())
		w.Expect(client.IgnoreNotFound(w.api.Delete(ctx, fed))).To(gomega.Succeed())
	}
	// Nothing collects garbage here, and the API server has 254 addresses for the Services of all tests.
	w.Expect(w.api.DeleteAllOf(ctx, &corev1.Service{}, client.InNamespace(w.namespace))).To(gomega.Succeed())
	w.Expect(w.api.DeleteAllOf(ctx, &v1alpha1.DNSZone{})).To(gomega.Succeed())
	w.Expect(w.api.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace("xmppfed-system"))).To(gomega.Succeed())
}

// reconcile reconciles a Federation of the world's namespace, which must not go wrong, and holds the result against the
// contract.
func (w *world) reconcile(name string) ctrl.Result {
	w.t.Helper()
	result, err := w.tryReconcile(client.ObjectKey{Namespace: w.namespace, Name: name})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return result
}

// tryReconcile is reconcile for any namespace and with the chance of an error.
func (w *world) tryReconcile(key client.ObjectKey) (ctrl.Result, error) {
	w.t.Helper()
	result, err := w.tryReconcileWithoutContract(key)
	fed := &v1alpha1.Federation{}
	if gone := w.api.Get(w.t.Context(), key, fed); gone == nil && reconciled(fed) {
		w.expectContract(fed)
		if err == nil {
			w.expectLookAgain(fed, result)
		}
	} else {
		w.Expect(client.IgnoreNotFound(gone)).To(gomega.Succeed())
	}
	return result, err
}

// tryReconcileWithoutContract is for a reconcile that can't write its status.
func (w *world) tryReconcileWithoutContract(key client.ObjectKey) (ctrl.Result, error) {
	w.journal = nil
	return w.feds.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key})
}

// reconciled tells that a reconcile has something to say: what is deleted and has no finalizer is not ours any more.
func reconciled(fed *v1alpha1.Federation) bool {
	return fed.DeletionTimestamp.IsZero() || len(fed.Finalizers) > 0
}

// reconcileZone reconciles a DNSZone and holds it against the contract.
func (w *world) reconcileZone(name string) ctrl.Result {
	w.t.Helper()
	w.journal = nil
	result, err := w.zones.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: name}})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	zone := &v1alpha1.DNSZone{}
	if gone := w.api.Get(w.t.Context(), client.ObjectKey{Name: name}, zone); gone == nil {
		w.expectZoneContract(zone)
	}
	return result
}

// createReady creates a Federation and brings it to Ready.
func (w *world) createReady(name string, edits ...func(*v1alpha1.Federation)) *v1alpha1.Federation {
	w.t.Helper()
	w.create(name, edits...)
	w.reconcile(name)
	w.assignAddress(name, publicAddress)
	w.runServer(name)
	w.reconcile(name)
	w.reconcile(name)
	fed := w.get(name)
	w.expectCondition(fed, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "cupdomain.com federates")
	return fed
}

// signing plays that the zone is signed, or why not.
type signing struct {
	verify.Verifier
	world *world
}

func (s signing) Signed(context.Context, dns.Provider, []string, time.Time) (string, error) {
	return s.world.unsigned, s.world.signedUnknown
}

// inbound plays the checks from the wire: the verdict is the world's.
type inbound struct{ *world }

func (i inbound) Inbound(_ context.Context, target check.InboundTarget) check.Verdict {
	i.checks = append(i.checks, target)
	return i.verdict
}

// Access says the same of every domain, unless a test says otherwise.
func (i inbound) Access(_ context.Context, target check.AccessTarget) check.Access {
	i.tries = append(i.tries, target)
	if i.access != nil {
		return i.access(target)
	}
	access := check.Access{}
	for _, domain := range target.Domains {
		switch i.verdict.Status {
		case metav1.ConditionTrue:
			access.Reached = append(access.Reached, domain)
		case metav1.ConditionFalse:
			access.Barred = append(access.Barred, check.Barred{Domain: domain, Why: i.verdict.Message})
		case metav1.ConditionUnknown:
			access.Unclear = append(access.Unclear, check.Barred{Domain: domain, Why: i.verdict.Message})
		}
	}
	return access
}

// Serves answers for the domains in the configuration of the pods' Federation, unless its server is silent.
func (i inbound) Serves(ctx context.Context, target check.InboundTarget) check.Proof {
	i.asked++
	var proof check.Proof
	for _, pod := range target.Through {
		config := i.server.configOf(ctx, pod.String())
		for _, domain := range target.Domains {
			if i.server.refuses == domain || i.server.silent || i.server.lagging || !strings.Contains(config, `"`+domain+`"`) {
				proof.Missing = "the server refuses streams to " + domain + ` with "host-unknown" ""`
				continue
			}
			proof.Served = append(proof.Served, "_xmpp-server._tcp."+domain)
			if target.DirectPort > 0 && strings.Contains(config, "s2s_direct_tls_ports") {
				proof.Served = append(proof.Served, "_xmpps-server._tcp."+domain)
			}
		}
	}
	return proof
}

// zoneProvider is the zone in memory with servers that can be asked how they are.
type zoneProvider struct {
	dns.Provider
	world *world
}

func (p zoneProvider) Probe(context.Context) error {
	p.world.queries.Add(1)
	return p.world.probe
}

// Zone and Get count the queries that they would be.
func (p zoneProvider) Zone(ctx context.Context) (dns.Zone, error) {
	p.world.queries.Add(2)
	return p.Provider.Zone(ctx)
}

func (p zoneProvider) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	p.world.queries.Add(int64(len(keys)))
	return p.Provider.Get(ctx, keys...)
}

// Apply notes what changes in the DNS in the same journal as what changes in the cluster.
func (p zoneProvider) Apply(ctx context.Context, change dns.Change) error {
	p.world.queries.Add(1)
	err := p.Provider.Apply(ctx, change)
	if err == nil {
		for _, key := range change.Drop {
			p.world.note("dns drop", key.String())
		}
		for _, set := range change.Put {
			p.world.note("dns put", set.Key().String())
		}
	}
	return err
}

func (w *world) newProvider(spec v1alpha1.DNSZoneSpec, secrets controllers.ZoneSecrets) (controllers.ZoneProvider, error) {
	if p := spec.Provider.RFC2136; p != nil && strings.Contains(secrets[p.TSIG.SecretRef], "no base64") {
		return nil, &dns.Error{Reason: v1alpha1.ReasonTSIGBadSignature, Message: "the TSIG secret is no base64", Permanent: true}
	}
	zone := zoneProvider{w.zone, w}
	if spec.Zone != "cupdomain.com" {
		zone.Provider = dnstest.NewMemory(string(spec.Zone))
	}
	switch spec.Provider.Name() {
	case v1alpha1.DNSProviderManual:
		return limited{zone, dns.Capabilities{}}, nil
	case v1alpha1.DNSProviderWebhook:
		return limited{zone, dns.Capabilities{Writes: true}}, nil
	default:
		return primary{zone}, nil
	}
}

// primary is a provider whose probes see the zone's serial number.
type primary struct{ zoneProvider }

func (p primary) Serial() (uint32, bool) {
	zone, err := p.Provider.Zone(context.Background())
	return zone.Serial, err == nil
}

// limited is a provider that guarantees less.
type limited struct {
	zoneProvider
	capabilities dns.Capabilities
}

func (l limited) Capabilities() dns.Capabilities { return l.capabilities }

// note adds a line to the journal, without the parts of a name that differ from run to run.
func (w *world) note(verb, what string) { w.journal = append(w.journal, verb+" "+what) }

// kindOf is the kind of an object in the journal.
func kindOf(obj any) string {
	if o, ok := obj.(client.Object); ok && o.GetObjectKind().GroupVersionKind().Kind != "" {
		return o.GetObjectKind().GroupVersionKind().Kind
	}
	return path.Ext("." + reflect.TypeOf(obj).Elem().Name())[1:]
}
