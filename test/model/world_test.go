// SPDX-License-Identifier: Apache-2.0

package model

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/operator"
	"github.com/xmppfed/xmppfed/internal/testkit/memkube"
)

// operatorNamespace is where the operator and its Secrets are.
const operatorNamespace = "xmppfed-system"

// signingKey signs ownership records in all lives of the operator.
const signingKey = "a signing key of this model only"

// world is a cluster, its cloud, DNS zones and one operator.
type world struct {
	kube *memkube.Server
	// api is the way of people and of all other controllers to the API server.
	api client.Client
	// zones are the DNS zones, by apex. Each is always there; whether a DNSZone makes it known is another matter.
	zones map[string]*dnstest.Memory
	// skew is how far the operator's clock is off.
	skew atomic.Int64
	life *life
	// addresses is the number of public addresses that the cloud has given away.
	addresses int
	// pods is the number of pods that were ever made.
	pods int
	// serverAt is the StatefulSet whose pod has an address.
	serverAt map[string]client.ObjectKey
	// foreign are the records that somebody else has put into a zone, by zone and key.
	foreign map[string]map[dns.Key]dns.RRset
	// stripped are those of them that the operator wrote, before somebody removed the ownership record.
	stripped map[dns.Key]bool
	// orphans are the owners whose Federations vanished without a chance to clean up.
	orphans map[string]bool
	// written is what wrote last saw.
	written written
}

// written counts what was written so far, by resource, and by zone.
type written struct {
	objects map[string]int
	updates map[string]int
}

func newWorld() (*world, error) {
	scheme, err := operator.Scheme()
	if err != nil {
		return nil, err
	}
	w := &world{
		zones: map[string]*dnstest.Memory{}, foreign: map[string]map[dns.Key]dns.RRset{},
		serverAt: map[string]client.ObjectKey{}, orphans: map[string]bool{},
		stripped: map[dns.Key]bool{},
	}
	if w.kube, err = memkube.New(scheme); err != nil {
		return nil, err
	}
	if w.api, err = client.New(w.kube.Config(), client.Options{Scheme: scheme, Mapper: w.kube.Mapper()}); err != nil {
		return nil, err
	}
	for _, apex := range apexes {
		w.zones[apex] = dnstest.NewMemory(apex)
		w.zones[apex].SetNameServers("ns1." + apex)
		w.foreign[apex] = map[dns.Key]dns.RRset{}
	}
	return w, w.furnish()
}

// furnish makes what the platform team provides.
func (w *world) furnish() error {
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}}
	for _, name := range namespaces {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{labelAllowed: "true"}}})
	}
	objects = append(objects, keySecret())
	for _, apex := range apexes {
		objects = append(objects, dnsZone(apex))
	}
	for _, object := range objects {
		if err := w.api.Create(context.Background(), object); err != nil {
			return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	return nil
}

// life is one life of the operator's process.
type life struct {
	stop  context.CancelFunc
	ended chan error
	// fuse counts down the writes until the process dies, to the API server and to zones alike; negative: it does not.
	fuse atomic.Int64
	dead atomic.Bool
}

var errKilled = errors.New("the operator was killed")

// burn counts a write. It returns an error from the moment on at which the operator dies.
func (l *life) burn() error {
	if l.dead.Load() || l.fuse.Load() == 0 {
		l.dead.Store(true)
		return errKilled
	}
	l.fuse.Add(-1)
	return nil
}

// mortal keeps an operator that has died from writing. Its reads still come through: they change nothing, and a manager whose caches
// can't be filled does not end.
type mortal struct {
	http.RoundTripper
	life *life
}

func (m mortal) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet {
		return m.RoundTripper.RoundTrip(req)
	}
	if err := m.life.burn(); err != nil {
		return nil, err
	}
	return followed{m.RoundTripper}.RoundTrip(req)
}

// followed prints requests and refusals, in a replay that is to be followed.
type followed struct{ http.RoundTripper }

func (f followed) RoundTrip(req *http.Request) (*http.Response, error) {
	if !*trace || req.Body == nil {
		return f.RoundTripper.RoundTrip(req)
	}
	asked, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	tell("%s %s %s", req.Method, req.URL.Path, asked)
	req.Body = io.NopCloser(bytes.NewReader(asked))
	answer, err := f.RoundTripper.RoundTrip(req)
	if err != nil || answer.StatusCode == http.StatusOK {
		return answer, err
	}
	told, err := io.ReadAll(answer.Body)
	answer.Body = io.NopCloser(bytes.NewReader(told))
	tell("... %s", told)
	return answer, err
}

// tell prints a line with the time of the bubble, in a replay that is to be followed.
func tell(format string, args ...any) {
	if *trace {
		fmt.Fprintf(os.Stderr, time.Now().Format("02 15:04:05.000 ")+format+"\n", args...)
	}
}

// startOperator begins a life of the operator with nothing in memory.
func (w *world) startOperator() error {
	l := &life{ended: make(chan error, 1)}
	l.fuse.Store(-1)
	api := w.kube.Config()
	api.Wrap(func(next http.RoundTripper) http.RoundTripper { return mortal{next, l} })
	mgr, err := w.newManager(api)
	if err != nil {
		return err
	}
	parts, err := w.parts(l)
	if err != nil {
		return err
	}
	if err := operator.AddControllers(mgr, parts); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go func() { l.ended <- mgr.Start(ctx) }()
	w.life = l
	select {
	case <-mgr.Elected(): // so caches are filled; controller-runtime would go round and round if it were stopped before
		return nil
	case err := <-l.ended:
		return fmt.Errorf("starting the operator: %w", err)
	}
}

func (w *world) newManager(api *rest.Config) (ctrl.Manager, error) {
	scheme, err := operator.Scheme()
	if err != nil {
		return nil, err
	}
	options, err := operator.ManagerOptions(scheme, nil, operatorNamespace)
	if err != nil {
		return nil, err
	}
	options.Metrics = server.Options{BindAddress: "0"}
	options.MapperProvider = func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return w.kube.Mapper(), nil }
	options.Controller = config.Controller{SkipNameValidation: ptr.To(true)}
	options.GracefulShutdownTimeout = ptr.To(time.Minute)
	return ctrl.NewManager(api, options)
}

// now is the operator's clock.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }

// parts are what the operator meets in this world.
func (w *world) parts(l *life) (operator.Parts, error) {
	signer, err := dns.NewSigner([]byte(signingKey))
	return operator.Parts{
		Namespace: operatorNamespace, ProsodyImage: "registry.example/prosody:13.0", Now: w.now, Signer: signer, Cluster: "model",
		NewProvider: w.newProvider(l), Serials: serials{w}, Verifier: w, Inbound: w, Live: w.liveStatus,
		NewPeers: func(func(types.NamespacedName)) controllers.PeerWatcher { return noPeers{} },
	}, err
}

// kill ends the operator's life at once: none of its requests comes through any more.
func (w *world) kill() error {
	l := w.life
	if l == nil {
		return nil
	}
	w.life = nil
	l.dead.Store(true)
	synctest.Wait() // controller-runtime leaks the goroutine of a watch of metadata that has an event when it ends
	l.stop()
	return <-l.ended
}

// settle waits until everything rests: nothing that was written in the last restFor, by anybody. It fails if that is not
// the case within restWithin.
func (w *world) settle() error {
	deadline := time.Now().Add(restWithin)
	resting := time.Now()
	for {
		if err := w.revive(); err != nil {
			return err
		}
		restless := w.wrote()
		if len(restless) > 0 {
			resting = time.Now()
			if err := w.simulate(); err != nil {
				return err
			}
		}
		switch {
		case time.Since(resting) > restFor:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("writing goes on after %s: %v", restWithin, restless)
		}
		time.Sleep(interval) // passes at once, as soon as all goroutines wait
	}
}

// wrote returns what was written since the last call: plurals of objects, and zones.
func (w *world) wrote() []string {
	_, objects := w.kube.Requests()
	now := written{objects: objects, updates: map[string]int{}}
	for apex, zone := range w.zones {
		now.updates[apex] = zone.Updates()
	}
	var names []string
	for resource, n := range now.objects {
		if resource != "events" && n > w.written.objects[resource] {
			names = append(names, resource)
		}
	}
	for apex, n := range now.updates {
		if n > w.written.updates[apex] {
			names = append(names, "zone "+apex)
		}
	}
	w.written = now
	slices.Sort(names)
	return names
}

// dump prints zones and statuses, in a replay that is to be followed.
func (w *world) dump() {
	if !*trace {
		return
	}
	for _, apex := range apexes {
		for _, line := range w.zones[apex].Dump() {
			tell("=== %s", line)
		}
	}
	var feds v1alpha1.FederationList
	if err := w.api.List(context.Background(), &feds); err != nil {
		tell("=== %v", err)
	}
	for i := range feds.Items {
		fed := &feds.Items[i]
		tell("=== %s %s wants %v at %s; %s", client.ObjectKeyFromObject(fed), ownerOf(client.ObjectKeyFromObject(fed)), fed.Spec.Domains,
			fed.Spec.DNS.Hostname, fed.DeletionTimestamp)
		for _, c := range fed.Status.Conditions {
			tell("===   %s %s %s (%d): %s", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message)
		}
		tell("===   former %v %v conflicts %v zones %v", fed.Status.FormerHosts, fed.Status.FormerDomains, fed.Status.Conflicts, fed.Status.Zones)
	}
}
