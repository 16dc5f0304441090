// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/public"
)

// EndpointPublisher is an ExternalDNS that publishes DNSEndpoints of a fake API server in a zone in memory, when it is told to,
// with the habits that matter: it touches no records that it did not write, and says of an object only that it has read it.
type EndpointPublisher struct {
	// Client of the API server.
	Client client.WithWatch
	// Zone is cupdomain.com, served at Port of the loopback interface, and Reader reads it.
	Zone   *Memory
	Port   uint16
	Reader *public.Reader
	// Blind does not read the objects. Types are those that it manages; nil means all. Forgets are those that its provider
	// does not list, so that it neither replaces nor removes them.
	Blind          bool
	Types, Forgets []string
	// BareTargets leaves endpoints out of which a target ends with a dot, and otherwise service records without.
	BareTargets bool

	t      testing.TB
	wrote  map[dns.Key]bool
	writes atomic.Int64
}

var endpointList = schema.GroupVersionKind{Group: "externaldns.k8s.io", Version: "v1alpha1", Kind: "DNSEndpointList"}

// NewEndpointPublisher has an empty zone.
func NewEndpointPublisher(t testing.TB) *EndpointPublisher {
	t.Helper()
	zone := NewMemory("cupdomain.com")
	resolver, port := Delegate(t, zone)
	reader, err := public.New(public.Config{Zone: zone.Apex(), Resolvers: []string{resolver}, Port: port})
	if err != nil {
		t.Fatal(err)
	}
	e := &EndpointPublisher{Zone: zone, Port: port, Reader: reader, t: t, wrote: map[dns.Key]bool{}}
	scheme := runtime.NewScheme()
	kind := endpointList
	kind.Kind = "DNSEndpoint"
	scheme.AddKnownTypeWithName(kind, &unstructured.Unstructured{})
	scheme.AddKnownTypeWithName(endpointList, &unstructured.UnstructuredList{})
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	e.Client = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(object).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			e.writes.Add(1)
			o.SetUID(types.UID("uid of " + o.GetName()))
			o.SetGeneration(1)
			return c.Create(ctx, o, options...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, wanted runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			e.writes.Add(1)
			wanted.(metav1.Object).SetGeneration(e.writes.Load())
			return c.Apply(ctx, wanted, options...)
		},
	}).Build()
	return e
}

// Writes of the operator so far: objects created and changed.
func (e *EndpointPublisher) Writes() int { return int(e.writes.Load()) }

// Objects that there are, by name.
func (e *EndpointPublisher) Objects() map[string]*unstructured.Unstructured {
	var all unstructured.UnstructuredList
	all.SetGroupVersionKind(endpointList)
	if err := e.Client.List(context.Background(), &all); err != nil {
		e.t.Fatalf("listing DNSEndpoints: %v", err)
	}
	out := map[string]*unstructured.Unstructured{}
	for i := range all.Items {
		out[all.Items[i].GetName()] = &all.Items[i]
	}
	return out
}

// Run once: make the zone what the objects say.
func (e *EndpointPublisher) Run() {
	e.t.Helper()
	if e.Blind {
		return
	}
	wanted := map[dns.Key]dns.RRset{}
	for _, o := range e.Objects() {
		endpoints, _, _ := unstructured.NestedSlice(o.Object, "spec", "endpoints")
		for _, one := range endpoints {
			if set, ok := e.read(one.(map[string]any)); ok {
				wanted[set.Key()] = set
			}
		}
		_ = unstructured.SetNestedField(o.Object, o.GetGeneration(), "status", "observedGeneration")
		if err := e.Client.Status().Update(context.Background(), o); err != nil {
			e.t.Fatalf("writing status: %v", err)
		}
	}
	e.publish(wanted)
}

func (e *EndpointPublisher) publish(wanted map[dns.Key]dns.RRset) {
	var change dns.Change
	standing := map[dns.Key]bool{}
	for _, set := range e.Zone.Sets() {
		k := set.Key()
		standing[k] = true
		if _, still := wanted[k]; !still && e.wrote[k] && !slices.Contains(e.Forgets, set.TypeName()) {
			change.Drop = append(change.Drop, k)
			delete(e.wrote, k)
		}
	}
	for k, set := range wanted {
		if !standing[k] || e.wrote[k] && !slices.Contains(e.Forgets, set.TypeName()) {
			change.Put = append(change.Put, set)
			e.wrote[k] = true
		}
	}
	e.Zone.Edit(change)
}

func (e *EndpointPublisher) read(endpoint map[string]any) (dns.RRset, bool) {
	recordType := endpoint["recordType"].(string)
	if e.Types != nil && !slices.Contains(e.Types, recordType) {
		return dns.RRset{}, false
	}
	var targets []string
	for _, target := range endpoint["targets"].([]any) {
		text := target.(string)
		if recordType == "SRV" && strings.HasSuffix(text, ".") == e.BareTargets {
			return dns.RRset{}, false
		}
		if e.BareTargets && recordType == "SRV" {
			text += "."
		}
		targets = append(targets, text)
	}
	set, err := dns.ParseRRset(endpoint["dnsName"].(string), recordType, uint32(endpoint["recordTTL"].(int64)), targets)
	if err != nil {
		e.t.Errorf("reading endpoint %v: %v", endpoint, err)
	}
	return set, err == nil
}

// Address is the data of an address record.
func Address(text string) dns.Address { return dns.Address{Addr: netip.MustParseAddr(text)} }
