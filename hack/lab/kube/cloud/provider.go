// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"context"
	"fmt"
	"net/netip"

	v1 "k8s.io/api/core/v1"
	cloudprovider "k8s.io/cloud-provider"
)

// noAddress on a Service makes the cloud refuse it an address, as a cloud with an exhausted quota does.
const noAddress = "lab.xmppfed.io/no-address"

// provider is the cloud as the service controller sees it. Addresses are all it has: the route to the
// node and kube-proxy on it carry the packets, and kube-proxy enforces loadBalancerSourceRanges.
type provider struct {
	cloudprovider.Interface // instances, zones and routes: never asked for by the service controller
	pool                    *pool
}

func (p *provider) LoadBalancer() (cloudprovider.LoadBalancer, bool) { return balancer{p.pool}, true }
func (p *provider) ProviderName() string                             { return "lab" }
func (p *provider) HasClusterID() bool                               { return true }

type balancer struct{ pool *pool }

func (b balancer) GetLoadBalancer(_ context.Context, _ string, service *v1.Service) (*v1.LoadBalancerStatus, bool, error) {
	addr, ok := b.pool.get(key(service))
	if !ok {
		return nil, false, nil
	}
	return status(addr), true, nil
}

func (b balancer) GetLoadBalancerName(_ context.Context, _ string, service *v1.Service) string {
	return cloudprovider.DefaultLoadBalancerName(service)
}

func (b balancer) EnsureLoadBalancer(_ context.Context, _ string, service *v1.Service, _ []*v1.Node) (*v1.LoadBalancerStatus, error) {
	if service.Annotations[noAddress] == "true" {
		return nil, fmt.Errorf("quota of public addresses is used up (annotation %s)", noAddress)
	}
	addr, err := b.pool.ensure(key(service))
	if err != nil {
		return nil, err
	}
	return status(addr), nil
}

func (b balancer) UpdateLoadBalancer(context.Context, string, *v1.Service, []*v1.Node) error {
	return nil
}

func (b balancer) EnsureLoadBalancerDeleted(_ context.Context, _ string, service *v1.Service) error {
	return b.pool.release(key(service))
}

func key(service *v1.Service) string { return service.Namespace + "/" + service.Name }

func status(addr netip.Addr) *v1.LoadBalancerStatus {
	return &v1.LoadBalancerStatus{Ingress: []v1.LoadBalancerIngress{{IP: addr.String()}}}
}
