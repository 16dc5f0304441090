// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/patrol"
)

// Requests to the API server that the operator may send in a second, and at once. Convergence of many Federations is
// bound by them, idling sends none. At once there may be as many as it takes to note for a thousand Federations that
// there are going to be records, which comes before the records.
const (
	requestsPerSecond = 200
	requestsAtOnce    = 1000
)

// resolvConf lists the operator's own resolvers.
const resolvConf = "/etc/resolv.conf"

// Scheme knows the kinds that the operator works with.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

// Run works until the context ends.
func Run(ctx context.Context, config *rest.Config, options Options) error {
	if options.Namespace == "" {
		return errors.New("the operator's namespace is not known; set --namespace or POD_NAMESPACE")
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = requestsPerSecond, requestsAtOnce
	scheme, err := Scheme()
	if err != nil {
		return fmt.Errorf("registering kinds: %w", err)
	}
	direct, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	waiting := &probes{waits: "starting"}
	if err := waiting.serve(ctx, options.ProbeAddress); err != nil {
		return err
	}
	if host, err := os.Hostname(); err == nil && !options.LeaderElect {
		options.Identity = cmp.Or(options.Identity, host)
	}
	this := newInstallation(direct, options, waiting, time.Now)
	if !this.await(ctx) {
		return nil
	}
	mgr, err := newManager(scheme, config, options)
	if err != nil {
		return err
	}
	if err := mgr.Add(this); err != nil {
		return fmt.Errorf("adding the watch over key and claim: %w", err)
	}
	if err := addControllers(mgr, options, this); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func newManager(scheme *runtime.Scheme, config *rest.Config, options Options) (ctrl.Manager, error) {
	cached, err := cacheOptions(options.WatchNamespaces)
	if err != nil {
		return nil, err
	}
	managerOptions := ctrl.Options{
		Scheme: scheme,
		Cache:  cached,
		Client: client.Options{Cache: &client.CacheOptions{
			DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}},
		}},
		Metrics:                server.Options{BindAddress: options.MetricsAddress},
		HealthProbeBindAddress: "0", // see probes
	}
	lock, err := newLock(config, options)
	if err != nil {
		return nil, err
	}
	if options.LeaderElect {
		managerOptions.LeaderElection = true
		managerOptions.LeaderElectionResourceLockInterface = lock
		managerOptions.LeaderElectionReleaseOnCancel = true
	}
	// Only now, as the lease must not wait for all the others.
	config.Wrap(limitInFlight(requestsInFlight))
	mgr, err := ctrl.NewManager(config, managerOptions)
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	if !options.LeaderElect {
		err = mgr.Add(manager.RunnableFunc(func(ctx context.Context) error { return beat(ctx, lock) }))
	}
	return mgr, err
}

// cacheOptions keep in memory, of kinds that the whole cluster uses, only the operator's own objects, and of events only
// warnings. Of Secrets and ConfigMaps only metadata is watched (see the controllers); their content is read when needed.
// With namespaces it knows of no others: what happens to them concerns no Federation that it could list.
func cacheOptions(namespaces []string) (cache.Options, error) {
	own := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{desired.LabelManagedBy: desired.ManagedBy})}
	bare := cache.ByObject{Transform: dropAnnotations}
	options := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}: own, &corev1.Service{}: own, &appsv1.StatefulSet{}: own,
			&corev1.Secret{}: bare, &corev1.ConfigMap{}: bare,
			&corev1.Event{}: {Field: fields.OneTermEqualSelector("type", corev1.EventTypeWarning)},
		},
	}
	if len(namespaces) > 0 {
		options.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range namespaces {
			options.DefaultNamespaces[namespace] = cache.Config{}
		}
		named, err := labels.NewRequirement(corev1.LabelMetadataName, selection.In, namespaces)
		if err != nil {
			return options, fmt.Errorf("--watch-namespaces: %w", err)
		}
		options.ByObject[&corev1.Namespace{}] = cache.ByObject{Label: labels.NewSelector().Add(*named)}
	}
	return options, nil
}

// dropAnnotations keeps out of memory what kubectl puts into metadata: the whole Secret as it was last applied.
func dropAnnotations(obj any) (any, error) {
	object, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	object.SetAnnotations(nil)
	object.SetManagedFields(nil)
	return obj, nil
}

func addControllers(mgr ctrl.Manager, options Options, this *installation) error {
	// DNSEndpoints are not cached.
	direct, err := client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme()})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	// Name servers outside their zone, or of zones that have no primary of ours, are found through the operator's own
	// resolvers.
	resolvers, err := check.SystemResolvers(resolvConf)
	if err != nil {
		return err
	}
	zones := controllers.NewZones(time.Now)
	changed := make(chan event.TypedGenericEvent[*v1alpha1.DNSZone])
	recorder := mgr.GetEventRecorder("xmppfed")
	zoneReconciler := &controllers.DNSZoneReconciler{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: recorder, Zones: zones,
		NewProvider: newZoneProvider(resolvers, direct, options.Namespace), Namespace: options.Namespace, Now: time.Now, Changed: changed,
		Serials: verify.Verifier{Resolvers: resolvers}, Silent: this.silent.Load,
	}
	if err := zoneReconciler.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("adding the DNSZone controller: %w", err)
	}
	checker := check.New()
	checked := make(chan event.TypedGenericEvent[*v1alpha1.Federation])
	reconciler := &controllers.FederationReconciler{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: recorder, Zones: zones,
		Applier: apply.New(mgr.GetClient(), mgr.GetAPIReader()),
		Servers: map[v1alpha1.EngineName]controllers.Server{
			v1alpha1.EngineProsody: {Engine: prosody.Engine{}, Image: options.ProsodyImage},
		},
		Verifier: verify.Verifier{Resolvers: resolvers}, Signer: this.known.signer, Cluster: this.known.cluster,
		Inbound: checker, Live: engine.Status, Namespace: options.Namespace, Now: time.Now, Checked: checked,
		Peers: patrol.New(patrol.Wire{Ping: engine.Ping, Hosting: checker}, func(federation types.NamespacedName) {
			about := &v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Namespace: federation.Namespace, Name: federation.Name}}
			checked <- event.TypedGenericEvent[*v1alpha1.Federation]{Object: about}
		}),
	}
	if err := reconciler.SetupWithManager(mgr, changed); err != nil {
		return fmt.Errorf("adding the Federation controller: %w", err)
	}
	return nil
}
