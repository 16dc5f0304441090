// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	v1 "k8s.io/api/core/v1"
	cloudprovider "k8s.io/cloud-provider"
)

// noAddress on a Service makes the cloud refuse it addresses, as a cloud with an exhausted quota does: "true" all of them, an
// IP family (IPv4, IPv6) the one of that family, which it takes back, too.
const noAddress = "lab.xmppfed.io/no-address"

// provider is the cloud as the service controller sees it. Addresses are all it has: the route to the
// node and kube-proxy on it carry the packets, and kube-proxy enforces loadBalancerSourceRanges.
type provider struct {
	cloudprovider.Interface // instances, zones and routes: never asked for by the service controller
	pools                   pools
}

func (p *provider) LoadBalancer() (cloudprovider.LoadBalancer, bool) { return balancer{p.pools}, true }
func (p *provider) ProviderName() string                             { return "lab" }
func (p *provider) HasClusterID() bool                               { return true }

type balancer struct{ pools pools }

func (b balancer) GetLoadBalancer(_ context.Context, _ string, service *v1.Service) (*v1.LoadBalancerStatus, bool, error) {
	addresses := b.pools.held(key(service))
	if len(addresses) == 0 {
		return nil, false, nil
	}
	return status(addresses), true, nil
}

func (b balancer) GetLoadBalancerName(_ context.Context, _ string, service *v1.Service) string {
	return cloudprovider.DefaultLoadBalancerName(service)
}

func (b balancer) EnsureLoadBalancer(_ context.Context, _ string, service *v1.Service, _ []*v1.Node) (*v1.LoadBalancerStatus, error) {
	if service.Annotations[noAddress] == "true" {
		return nil, fmt.Errorf("quota of public addresses is used up (annotation %s)", noAddress)
	}
	families := slices.DeleteFunc(slices.Clone(service.Spec.IPFamilies), func(family v1.IPFamily) bool {
		return service.Annotations[noAddress] == string(family)
	})
	if err := b.pools.ensure(key(service), families); err != nil {
		return nil, err
	}
	return status(b.pools.held(key(service))), nil
}

func (b balancer) UpdateLoadBalancer(context.Context, string, *v1.Service, []*v1.Node) error {
	return nil
}

func (b balancer) EnsureLoadBalancerDeleted(_ context.Context, _ string, service *v1.Service) error {
	return b.pools.ensure(key(service), nil)
}

func key(service *v1.Service) string { return service.Namespace + "/" + service.Name }

func status(addresses []netip.Addr) *v1.LoadBalancerStatus {
	var ingress []v1.LoadBalancerIngress
	for _, addr := range addresses {
		ingress = append(ingress, v1.LoadBalancerIngress{IP: addr.String()})
	}
	return &v1.LoadBalancerStatus{Ingress: ingress}
}
