// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// restartOperator makes a reconciler that remembers nothing but what is in the cluster and in the DNS.
func (w *world) restartOperator() {
	old := w.feds
	w.feds = &controllers.FederationReconciler{
		Client: old.Client, Reader: old.Reader, Applier: apply.New(old.Client, old.Reader), Recorder: old.Recorder, Zones: old.Zones,
		Servers: old.Servers, Verifier: old.Verifier, Signer: old.Signer, Inbound: old.Inbound, Live: old.Live,
		Peers: old.Peers, Cluster: old.Cluster, Namespace: old.Namespace, Now: old.Now,
	}
}

// versions are the resource versions of everything in the world's namespace that the operator may write.
func (w *world) versions() map[string]string {
	w.t.Helper()
	versions := map[string]string{}
	for _, list := range []client.ObjectList{
		&v1alpha1.FederationList{}, &corev1.ServiceList{}, &corev1.SecretList{}, &corev1.ConfigMapList{}, &corev1.PodList{},
		&appsv1.StatefulSetList{}, &policyv1.PodDisruptionBudgetList{}, &networkingv1.NetworkPolicyList{},
	} {
		w.Expect(w.api.List(w.t.Context(), list, client.InNamespace(w.namespace))).To(gomega.Succeed())
		items, err := meta.ExtractList(list)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		for _, item := range items {
			obj := item.(client.Object)
			versions[fmt.Sprintf("%T %s", obj, obj.GetName())] = obj.GetResourceVersion()
		}
	}
	return versions
}

// dropping is a change that removes record sets, named as in messages ("SRV name"), without asking anybody.
func dropping(names ...string) dns.Change {
	types := map[string]uint16{"A": dns.TypeA, "AAAA": dns.TypeAAAA, "SRV": dns.TypeSRV, "TXT": dns.TypeTXT, "CNAME": dns.TypeCNAME}
	var change dns.Change
	for _, name := range names {
		mnemonic, owner, _ := strings.Cut(name, " ")
		change.Drop = append(change.Drop, dns.Key{Name: dns.Canonical(owner), Type: types[mnemonic]})
	}
	return change
}

// takeEvents are the events since the last call.
func (w *world) takeEvents() []string {
	var taken []string
	for {
		select {
		case event := <-w.events.Events:
			taken = append(taken, event)
		default:
			return taken
		}
	}
}

// pass lets time pass.
func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }
