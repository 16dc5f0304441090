// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/cli/records"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
)

const (
	// lookUpTimeout is how long a domain is held up by the question whether a Federation has its name.
	lookUpTimeout = time.Second
	// askTimeout bounds what one pod is asked about itself, tryTimeout what is tried at its port.
	askTimeout = 5 * time.Second
	tryTimeout = 20 * time.Second
	// maxPeers is how many partners are tried unless they are named: each may take as long as a ping.
	maxPeers = 20
)

// lookUp finds the Federation that the argument names. It returns nil when there is none and the argument can be a domain. For such an
// argument it waits for the cluster only lookUpTimeout, and tells the user when the cluster did not answer.
func (e *environment) lookUp(ctx context.Context, argument string) (*cluster, *v1alpha1.Federation, error) {
	if strings.Contains(argument, ".") {
		known, err := e.knows(ctx, argument)
		if err != nil {
			fmt.Fprintf(e.ErrOut, "%s is taken for a domain, because the cluster could not be asked for a Federation of that name: %v\n",
				argument, err)
		}
		if !known {
			return nil, nil, nil
		}
	}
	c, err := e.cluster()
	if err != nil {
		return nil, nil, err
	}
	fed, err := c.federation(ctx, argument)
	if apierrors.IsNotFound(err) {
		return nil, nil, fmt.Errorf("there is no Federation %s in namespace %s; a domain has a dot in it", argument, c.namespace)
	}
	if err != nil {
		return nil, nil, err
	}
	return c, fed, nil
}

// knows tells whether there is a Federation of this name. It limits every request to lookUpTimeout, because discovery ignores the
// context.
func (e *environment) knows(ctx context.Context, name string) (bool, error) {
	if config, _ := e.flags.ToRawKubeConfigLoader().RawConfig(); len(config.Contexts) == 0 {
		return false, nil // a domain needs no cluster
	}
	c, err := e.clusterWithin(lookUpTimeout)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	switch _, err := c.federation(ctx, name); {
	case err == nil:
		return true, nil
	case apierrors.IsNotFound(err), errors.Is(err, errNotInstalled):
		return false, nil
	default:
		return false, err
	}
}

// read completes a patient with what its Federation says.
func (p *patient) read(ctx context.Context) {
	if len(p.resolvers) == 0 {
		for _, resolver := range p.fed.Spec.Verification.Resolvers {
			p.resolvers = append(p.resolvers, string(resolver))
		}
	}
	p.peers = peersOf(p.fed, p.peers)
	p.addresses = p.publicAddresses(ctx)
	if servers, err := p.cluster.servers(ctx, p.fed); err != nil {
		p.left = err.Error()
	} else {
		p.servers = servers
		p.dialbackSecret = string(servers.secret.Data[engine.KeyDialbackSecret])
	}
	var config corev1.ConfigMap
	key := client.ObjectKey{Namespace: p.fed.Namespace, Name: desired.ConfigName(p.fed)}
	if err := p.cluster.Get(ctx, key, &config); err == nil {
		p.generation = config.Annotations[desired.AnnotationGeneration]
		if bundle := config.Data[engine.FileTrustedCAs]; bundle != "" {
			p.trustAlso(bundle)
		}
	}
}

// publicAddresses are those that the spec names, else those that the load balancer has now, else those of status.
func (p *patient) publicAddresses(ctx context.Context) []netip.Addr {
	var service corev1.Service
	key := client.ObjectKey{Namespace: p.fed.Namespace, Name: desired.PublicServiceName(p.fed)}
	if len(p.fed.Spec.Exposure.PublicAddresses) > 0 || p.cluster.Get(ctx, key, &service) != nil {
		return records.Addresses(p.fed)
	}
	var addresses []netip.Addr
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(ingress.IP); err == nil {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// trustAlso adds the CAs that the Federation trusts.
func (p *patient) trustAlso(bundle string) {
	if p.roots == nil {
		var err error
		if p.roots, err = x509.SystemCertPool(); err != nil {
			p.roots = x509.NewCertPool()
		}
	}
	p.roots.AppendCertsFromPEM([]byte(bundle))
}

// peersOf are the partners that were named, with the policies that the Federation has for them, or else its own.
func peersOf(fed *v1alpha1.Federation, named []partner) []partner {
	known := map[string]partner{}
	var own []partner
	for _, peer := range fed.Spec.Peers {
		one := partner{domain: string(peer.Domain), policy: peer.Policy(fed.Spec.PeerDefaults)}
		if peer.Route != nil {
			one.route = net.JoinHostPort(peer.Route.Host, strconv.Itoa(int(peer.Route.Port)))
		}
		known[one.domain] = one
		if peer.Access != v1alpha1.PeerAccessDeny {
			own = append(own, one)
		}
	}
	if len(named) == 0 {
		return own
	}
	for i, peer := range named {
		if one, ok := known[peer.domain]; ok {
			named[i] = one
		}
	}
	return named
}

// examineCluster makes the checks that take Kubernetes and the servers' own words.
func (p patient) examineCluster(ctx context.Context) []check.Result {
	d := check.Deployment{
		Name: p.name(), Domain: p.domains()[0], Left: p.left, Generation: p.generation,
		SecretGeneration: string(p.servers.secret.Data[engine.KeyGeneration]), Policies: map[string]v1alpha1.PeerPolicy{},
	}
	for _, address := range p.addresses {
		d.Addresses = append(d.Addresses, address.String())
	}
	if condition := meta.FindStatusCondition(p.fed.Status.Conditions, v1alpha1.ConditionAddressAssigned); condition != nil {
		d.AddressMessage = condition.Message
	}
	if certificate := p.fed.Status.Certificate; certificate != nil {
		d.Serial = certificate.Serial
	}
	for _, peer := range p.fed.Spec.Peers {
		d.Policies[string(peer.Domain)] = peer.Policy(p.fed.Spec.PeerDefaults)
	}
	var clock []check.Result
	var wg sync.WaitGroup
	wg.Go(func() { d.Ready = p.readyPods(ctx) })
	wg.Go(func() { d.Replicas = p.askPods(ctx) })
	wg.Go(func() { clock = p.askClock(ctx) })
	wg.Wait()
	return append(d.Judge(), clock...)
}

// readyPods counts the endpoints of the public Service.
func (p patient) readyPods(ctx context.Context) int {
	var slices discoveryv1.EndpointSliceList
	labels := client.MatchingLabels{discoveryv1.LabelServiceName: desired.PublicServiceName(p.fed)}
	if err := p.cluster.List(ctx, &slices, client.InNamespace(p.fed.Namespace), labels); err != nil {
		return int(p.readyReplicas())
	}
	ready := 0
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				ready++
			}
		}
	}
	return ready
}

// readyReplicas is what status says, for who may not read endpoints.
func (p patient) readyReplicas() int32 {
	if p.fed.Status.Server == nil {
		return 0
	}
	return p.fed.Status.Server.ReadyReplicas
}

// askPods asks every server for its status, and for a stream at its own port.
func (p patient) askPods(ctx context.Context) []check.Replica {
	replicas := make([]check.Replica, len(p.servers.pods))
	var wg sync.WaitGroup
	for i, pod := range p.servers.pods {
		wg.Go(func() {
			r := &replicas[i]
			r.Pod = pod.Name
			asking, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			if live, err := p.cluster.ask(asking, pod, p.servers.token()); err != nil {
				r.Err = err
			} else {
				r.Live = &live
			}
			r.Wire, r.Unreached = p.tryPort(ctx, pod)
		})
	}
	wg.Wait()
	return replicas
}

// tryPort tries a pod's own port.
func (p patient) tryPort(ctx context.Context, pod *corev1.Pod) (*check.Wire, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	text, err := p.cluster.reach(ctx, pod, engine.PortNumberS2S)
	if err != nil {
		return nil, err
	}
	address, err := netip.ParseAddrPort(text)
	if err != nil {
		return nil, err
	}
	return check.New().TryReplica(ctx, address, p.domains()[0], p.dialbackSecret), nil
}

// askClock reads the API server's clock.
func (p patient) askClock(ctx context.Context) []check.Result {
	client, err := rest.HTTPClientFor(p.cluster.config)
	if err != nil {
		return nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.cluster.config.Host, "/")+"/version", nil)
	if err != nil {
		return nil
	}
	response, err := client.Do(request)
	if err != nil {
		return nil
	}
	defer func() { _ = response.Body.Close() }()
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return nil
	}
	r := check.JudgeClock(time.Now(), date, "API server")
	r.Domain = p.domains()[0]
	return []check.Result{r}
}

// ping has the server try a partner from its own position.
func (p patient) ping(ctx context.Context, peer partner) []check.Result {
	target := check.PeerTarget{Domain: peer.domain, Policy: peer.policy, From: p.domains()[0], Route: peer.route}
	switch {
	case p.left != "":
		return unpinged(ctx, peer.domain, errors.New(p.left))
	case len(p.servers.pods) == 0:
		return unpinged(ctx, peer.domain, errors.New("no pod of the server runs"))
	}
	pong, err := p.askPing(ctx, target)
	if err != nil {
		return unpinged(ctx, peer.domain, err)
	}
	return check.PingResults(target, pong)
}

// unpinged says why there is nothing to say of a ping.
func unpinged(ctx context.Context, partner string, err error) []check.Result {
	var known explained
	if errors.As(context.Cause(ctx), &known) {
		return []check.Result{check.SilentPing(partner, known.by)}
	}
	return []check.Result{{ID: check.RoundTrip, Domain: partner, From: check.Cluster, Mark: check.Skip, Words: err.Error()}}
}

func (p patient) askPing(ctx context.Context, t check.PeerTarget) (engine.Pong, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	address, err := p.cluster.reach(ctx, p.servers.pods[0], engine.PortNumberHTTP)
	if err != nil {
		return engine.Pong{}, err
	}
	return engine.PingAt(ctx, address, p.servers.token(), t.From, t.Domain)
}
