// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/conformance"
	"github.com/xmppfed/xmppfed/internal/dns/dnsendpoint"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// endpointZone is a zone that ExternalDNS writes to. It does so right after each change of an object.
type endpointZone struct {
	t     *testing.T
	world *dnstest.EndpointPublisher
}

func newEndpointZone(t *testing.T) conformance.Zone {
	t.Helper()
	z := endpointZone{t, dnstest.NewEndpointPublisher(t)}
	z.world.Zone.Edit(dns.Change{Put: dns.AddressRecords("www.cupdomain.com", 3600, []netip.Addr{netip.MustParseAddr("203.0.113.7")})})
	return z
}

func (z endpointZone) provider(c dnsendpoint.Client) dns.Provider {
	return publishing{dnsendpoint.New(dnsendpoint.Config{
		Reader: z.world.Reader, Client: c, Namespace: "xmppfed-system", FieldOwner: "xmppfed", Now: time.Now,
	}), z.world}
}

// publishing lets ExternalDNS run after each change.
type publishing struct {
	*dnsendpoint.Provider
	world *dnstest.EndpointPublisher
}

func (p publishing) Apply(ctx context.Context, change dns.Change) error {
	defer p.world.Run()
	return p.Provider.Apply(ctx, change)
}

func (z endpointZone) Provider() dns.Provider { return z.provider(z.world.Client) }

// Losing creates, changes or deletes the first object but loses the answer.
func (z endpointZone) Losing() dns.Provider {
	lost := false
	answer := func(err error) error {
		if err != nil || lost {
			return err
		}
		lost = true
		return apierrors.NewTimeoutError("the answer got lost", 1)
	}
	return z.provider(interceptor.NewClient(z.world.Client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			return answer(c.Create(ctx, o, options...))
		},
		Apply: func(ctx context.Context, c client.WithWatch, wanted runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			return answer(c.Apply(ctx, wanted, options...))
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			return answer(c.Delete(ctx, o, options...))
		},
	}))
}

// Dump shows ownership records as if they were published.
func (z endpointZone) Dump() []string {
	lines := z.world.Zone.Dump()
	for _, o := range z.world.Objects() {
		if record := o.GetAnnotations()[ownership]; record != "" {
			lines = append(lines, record)
		}
	}
	slices.Sort(lines)
	return lines
}

const ownership = "xmppfed.io/ownership"

// Edit changes ownership records in the objects, as somebody with rights on them would, and all else in the zone. An object
// goes with a record that it holds, or it would be published again.
func (z endpointZone) Edit(c dns.Change) {
	z.t.Helper()
	var rest dns.Change
	for _, k := range c.Drop {
		if !z.editOwnership(k, nil) {
			z.deleteObjects(k)
			rest.Drop = append(rest.Drop, k)
		}
	}
	for _, set := range c.Put {
		if !z.editOwnership(set.Key(), &set) {
			rest.Put = append(rest.Put, set)
		}
	}
	z.world.Zone.Edit(rest)
}

func (z endpointZone) editOwnership(k dns.Key, set *dns.RRset) bool {
	if is, _ := dns.Ownership(k); !is {
		return false
	}
	for _, o := range z.world.Objects() {
		var record map[string]any
		annotations := o.GetAnnotations()
		err := json.Unmarshal([]byte(annotations[ownership]), &record)
		if err != nil || dns.Canonical(fmt.Sprint(record["dnsName"])) != k.Name {
			continue
		}
		delete(annotations, ownership)
		if set != nil {
			record["targets"] = set.Data[0]
			encoded, _ := json.Marshal(record)
			annotations[ownership] = string(encoded)
		}
		o.SetAnnotations(annotations)
		z.write(o)
	}
	return true
}

func (z endpointZone) deleteObjects(k dns.Key) {
	z.t.Helper()
	for _, o := range z.world.Objects() {
		endpoints, _, _ := unstructured.NestedSlice(o.Object, "spec", "endpoints")
		for _, one := range endpoints {
			e := one.(map[string]any)
			if dns.Canonical(fmt.Sprint(e["dnsName"])) == k.Name && e["recordType"] == dns.TypeName(k.Type) {
				if err := z.world.Client.Delete(context.Background(), o); err != nil {
					z.t.Fatalf("deleting an object: %v", err)
				}
				break
			}
		}
	}
}

func (z endpointZone) write(o *unstructured.Unstructured) {
	z.t.Helper()
	if err := z.world.Client.Update(context.Background(), o); err != nil {
		z.t.Fatalf("editing an object: %v", err)
	}
}

func TestDNSEndpointConforms(t *testing.T) {
	table.Run(t, conformance.Subject{Name: "dnsEndpoint", Fresh: newEndpointZone, Exceptions: map[string]string{
		"Records that exist are taken over where they are named, and no others": "ExternalDNS takes over no records",
		"Records of another owner or of ExternalDNS are not taken over": "what was handed over before, with the same data, can't be told " +
			"from what ExternalDNS has yet to remove",
		"A record that somebody changed or removed is put back": "it is ExternalDNS that puts back what it wrote",
	}})
}
