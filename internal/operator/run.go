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
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
	"github.com/xmppfed/xmppfed/internal/engine"
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
	waiting := &probes{waits: "starting", watched: &watched{now: time.Now}}
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
	var leftOut []string
	if len(options.WatchNamespaces) > 0 {
		if options.WatchNamespaces, leftOut = this.awaitWatchable(ctx, options.WatchNamespaces); len(options.WatchNamespaces) == 0 {
			return nil
		}
	}
	mgr, err := newManager(ctx, scheme, config, options, waiting.watched)
	if err != nil {
		return err
	}
	if len(leftOut) > 0 {
		if err := mgr.Add(returning{direct, leftOut}); err != nil {
			return fmt.Errorf("adding the watch over namespaces that are left out: %w", err)
		}
	}
	if err := mgr.Add(this); err != nil {
		return fmt.Errorf("adding the watch over key and claim: %w", err)
	}
	if err := addControllers(mgr, options, this); err != nil {
		return err
	}
	return ending(ctx, mgr.Start)
}

func newManager(
	ctx context.Context, scheme *runtime.Scheme, config *rest.Config, options Options, seen *watched,
) (ctrl.Manager, error) {
	managerOptions, err := ManagerOptions(scheme, options.WatchNamespaces, options.Namespace)
	if err != nil {
		return nil, err
	}
	managerOptions.Cache.DefaultWatchErrorHandler = seen.note
	managerOptions.Controller.SkipNameValidation = ptr.To(true) // it would keep a second operator from running in one process, as in tests
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
	return mgr, errors.Join(err, mgr.Add(filling{seen}), addMetrics(ctx, mgr, options))
}

func addMetrics(ctx context.Context, mgr ctrl.Manager, options Options) error {
	if options.MetricsAddress == "" || options.MetricsAddress == "0" {
		return nil
	}
	served, err := metricsServer(ctx, options, mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	return mgr.Add(served)
}

// ManagerOptions returns the options of a manager that say what the operator's client reads from caches and what those hold.
// Without namespaces it watches all of them. Own is the namespace that the operator runs in.
func ManagerOptions(scheme *runtime.Scheme, namespaces []string, own string) (ctrl.Options, error) {
	cached, err := cacheOptions(namespaces, own)
	return ctrl.Options{
		Scheme:                 scheme,
		Cache:                  cached,
		NewClient:              newClient,
		HealthProbeBindAddress: "0",                              // see probes
		Metrics:                server.Options{BindAddress: "0"}, // see metricsServer
	}, err
}

// cacheOptions keep in memory, of kinds that the whole cluster uses, only the operator's own objects, of events only warnings, and of
// each object only what is read. Of Secrets and ConfigMaps only metadata is watched (see the controllers); their content is read when
// needed. With namespaces it knows of no others: what happens to them concerns no Federation that it could list. In the operator's own
// namespace are the Secrets of DNSZones.
func cacheOptions(namespaces []string, own string) (cache.Options, error) {
	managed := labels.SelectorFromSet(labels.Set{desired.LabelManagedBy: desired.ManagedBy})
	bare, secrets := cache.ByObject{Transform: onlyIdentity}, cache.ByObject{Transform: onlyIdentity}
	named := cache.ByObject{Transform: onlyLabels}
	options := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.Federation{}: {Transform: only(shrinkFederation)},
			&corev1.Pod{}:          {Label: managed, Transform: only(shrinkPod)},
			&corev1.Service{}:      {Label: managed, Transform: only(shrinkService)},
			&appsv1.StatefulSet{}:  {Label: managed, Transform: only(shrinkStatefulSet)},
			&corev1.ConfigMap{}:    bare, &policyv1.PodDisruptionBudget{}: bare, &networkingv1.NetworkPolicy{}: bare,
			&corev1.Event{}: {
				Field: fields.OneTermEqualSelector("type", corev1.EventTypeWarning), Transform: only(shrinkEvent),
			},
		},
	}
	if len(namespaces) > 0 {
		options.DefaultNamespaces, secrets.Namespaces = map[string]cache.Config{}, map[string]cache.Config{own: {}}
		for _, namespace := range namespaces {
			options.DefaultNamespaces[namespace], secrets.Namespaces[namespace] = cache.Config{}, cache.Config{}
		}
		among, err := labels.NewRequirement(corev1.LabelMetadataName, selection.In, namespaces)
		if err != nil {
			return options, fmt.Errorf("--watch-namespaces: %w", err)
		}
		named.Label = labels.NewSelector().Add(*among)
	}
	options.ByObject[&corev1.Secret{}], options.ByObject[&corev1.Namespace{}] = secrets, named
	return options, nil
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
	discretion, err := newDiscretion(options.DisclosedNetworks, resolvers)
	if err != nil {
		return err
	}
	checker, verifier := check.NewDiscreet(discretion), verify.Verifier{Resolvers: resolvers}
	return AddControllers(mgr, Parts{
		Namespace: options.Namespace, ProsodyImage: options.ProsodyImage, Now: time.Now,
		Signer: this.known.signer, Cluster: this.known.cluster, Silent: this.silent.Load,
		NewProvider: newZoneProvider(resolvers, direct, options.Namespace), Serials: verifier, Verifier: verifier,
		Inbound: checker, Live: engine.Status,
		NewPeers: func(tell func(types.NamespacedName)) controllers.PeerWatcher {
			return patrol.New(patrol.Wire{Ping: engine.Ping, Hosting: checker, Discretion: discretion}, tell)
		},
	})
}
