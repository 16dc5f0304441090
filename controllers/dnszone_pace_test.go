// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// countingLists counts the objects in lists that are read from the cache.
type countingLists struct {
	client.Client
	listed int
}

func (c *countingLists) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	err := c.Client.List(ctx, list, options...)
	c.listed += meta.LenList(list)
	return err
}

// nobody answers for the serial numbers of zones.
type nobody struct{}

func (nobody) Serials(context.Context, dns.Provider, uint32) (uint32, []v1alpha1.NameServerStatus, error) {
	return 0, nil, unavailable
}

// Each of the DNSZones is probed every few seconds: what lists them all each time costs the square of their number.
func TestDNSZone_AProbeListsNothingOfOtherZones(t *testing.T) {
	key := v1alpha1.SecretKey{SecretName: v1alpha1.SecretName{Name: "keys"}, Key: "secret"}
	objects := []client.Object{&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "xmppfed-system", Name: key.Name}, Data: map[string][]byte{key.Key: []byte("c2VjcmV0")},
	}}
	for i := range 20 {
		name := fmt.Sprintf("zone%d", i)
		zone := &v1alpha1.DNSZone{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
		zone.Spec.Zone = v1alpha1.DomainName(name + ".example")
		zone.Spec.Namespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll}
		zone.Spec.Provider.RFC2136 = &v1alpha1.RFC2136Provider{TSIG: v1alpha1.TSIGKey{SecretRef: key}}
		fed := &v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: name, UID: types.UID("of " + name)}}
		fed.Status.Zones = []string{string(zone.Spec.Zone)}
		objects = append(objects, zone, fed)
	}
	cluster := &countingLists{Client: newCluster(t, objects...)}
	r := &DNSZoneReconciler{
		Client: cluster, Reader: cluster, Namespace: "xmppfed-system", Now: time.Now, Zones: NewZones(time.Now), Serials: nobody{},
		Changed: make(chan event.TypedGenericEvent[*v1alpha1.DNSZone], 1), Silent: func() bool { return true },
		NewProvider: func(spec v1alpha1.DNSZoneSpec, _ ZoneSecrets) (ZoneProvider, error) {
			return &probed{dnstest.NewMemory(string(spec.Zone)), []error{nil, nil}}, nil
		},
	}
	for range 2 {
		cluster.listed = 0
		result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "zone7"}})
		if err != nil || result.RequeueAfter != primaryPace.interval {
			t.Fatalf("got %v and %v, want another probe after %s", result, err, primaryPace.interval)
		}
		if cluster.listed != 2 {
			t.Errorf("%d objects were listed, want the DNSZone and the Federation in it", cluster.listed)
		}
	}
}
