// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/testkit"
	kube "github.com/xmppfed/xmppfed/internal/testkit/cluster"
)

// Tests with several clusters have a BIND of their own and API servers without nodes, which the node of the lab has room
// for. Nobody but them uses port 53 of its loopback address, where operators look for the name servers of their zone.
const (
	rivalZone      = "race.example"
	rivalNamespace = "chat"
)

// rival is a cluster with an operator of its own, one of several that publish in the same zone.
type rival struct {
	*kube.Cluster
	name string
	// address and port are what its Federations publish, and no other's.
	address  string
	port     int32
	operator *kube.Operator
	// uid names the cluster.
	uid string
}

// startRivalBIND starts BIND with the zone; foreign are records that are in it already.
func startRivalBIND(t *testing.T, foreign string) *dnstest.Daemon {
	t.Helper()
	return dnstest.StartNamed(t, dnstest.NamedOptions{Port: 53, Zones: map[string]string{rivalZone: foreign}})
}

// newRival starts a cluster with everything in it that Federations need, and prepares its operator.
func newRival(t *testing.T, name, address string, port int32) *rival {
	t.Helper()
	testkit.Require(t, os.Getenv(kube.Assets) != "", "a Kubernetes API server (make e2e sets "+kube.Assets+")")
	g, ctx := NewWithT(t), t.Context()
	started, err := kube.Start(t.TempDir())
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { NewWithT(t).Expect(started.Stop()).To(Succeed()) })
	program, err := lab.Path("bin/lab/operator")
	g.Expect(err).NotTo(HaveOccurred())
	r := &rival{Cluster: started, name: name, address: address, port: port}
	r.operator, err = r.NewOperator(ctx, program)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		r.operator.Kill()
		if log, err := os.ReadFile(r.operator.Log); err == nil && t.Failed() {
			t.Logf("the last words of operator %s:\n%s", name, log[max(0, len(log)-3000):])
		}
	})
	var system corev1.Namespace
	g.Expect(r.Client.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &system)).To(Succeed())
	r.uid = string(system.UID)
	dnsZone := testZone("race", rivalZone)
	dnsZone.Spec.Provider.RFC2136.Servers = []v1alpha1.ServerAddress{"127.0.0.1:53"}
	dnsZone.Spec.Namespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: rivalNamespace}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: kube.Namespace, Name: "e2e-tsig"},
			StringData: map[string]string{"secret": dnstest.FedSecret},
		},
		dnsZone,
	} {
		g.Expect(r.Client.Create(ctx, object)).To(Succeed())
	}
	return r
}

// federation is one with records only: it waits for a certificate that never comes, so that nothing else is made.
func (r *rival) federation(name string) *v1alpha1.Federation {
	return &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Namespace: rivalNamespace, Name: name},
		Spec: v1alpha1.FederationSpec{
			Domains:  []v1alpha1.DomainName{v1alpha1.DomainName(name + "." + rivalZone)},
			DNS:      v1alpha1.DNSSpec{TTL: 1},
			Exposure: v1alpha1.ExposureSpec{Port: r.port, PublicAddresses: []string{r.address}},
			TLS:      &v1alpha1.TLSSpec{SecretRef: &v1alpha1.SecretName{Name: "none"}},
		},
	}
}

// owner is the name of one of its Federations in ownership records.
func (r *rival) owner(federation string) string {
	hash := sha256.Sum256([]byte(r.uid + "/" + rivalNamespace + "/" + federation))
	return hex.EncodeToString(hash[:10])
}

// federations by name.
func (r *rival) federations(ctx context.Context) (map[string]*v1alpha1.Federation, error) {
	var all v1alpha1.FederationList
	if err := r.Client.List(ctx, &all, client.InNamespace(rivalNamespace)); err != nil {
		return nil, fmt.Errorf("listing Federations of cluster %s: %w", r.name, err)
	}
	byName := map[string]*v1alpha1.Federation{}
	for i := range all.Items {
		byName[all.Items[i].Name] = &all.Items[i]
	}
	return byName, nil
}

// published is the condition DNSPublished, if it speaks of the newest generation; else an empty one.
func published(fed *v1alpha1.Federation) metav1.Condition {
	found := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionDNSPublished)
	if found == nil || found.ObservedGeneration != fed.Generation {
		return metav1.Condition{}
	}
	return *found
}
