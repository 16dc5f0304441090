// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	apiserver "github.com/xmppfed/xmppfed/internal/testkit/cluster"
)

// rivalZone is the zone in which rivals publish.
const rivalZone = "race.example"

// rival is a cluster with an operator of its own, one of several that publish in the same zone. BIND is that of a stage,
// at stageServer.
type rival struct {
	*apiserver.Cluster
	name string
	// address and port are what its Federations publish, and no other's.
	address string
	port    int32
	// shares tells that it has its domains together with the others, with host names of its own.
	shares   bool
	operator *apiserver.Operator
	// uid names the cluster.
	uid string
}

// newRival starts a cluster with everything in it that Federations need, and prepares its operator.
func newRival(t *testing.T, program, name, address string, port int32) *rival {
	t.Helper()
	g, ctx := NewWithT(t), t.Context()
	started, err := apiserver.Start(t.TempDir())
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { NewWithT(t).Expect(started.Stop()).To(Succeed()) })
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
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: stageNamespace, Labels: allowed}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: apiserver.Namespace, Name: stageSecret},
			StringData: map[string]string{"secret": dnstest.FedSecret},
		},
		stageZone(rivalZone, stageServer),
	} {
		g.Expect(r.Client.Create(ctx, object)).To(Succeed())
	}
	return r
}

// federation is one with records only.
func (r *rival) federation(name string) *v1alpha1.Federation {
	fed := stageFederation(name, name+"."+rivalZone)
	fed.Spec.Exposure = v1alpha1.ExposureSpec{Port: r.port, PublicAddresses: []string{r.address}}
	if r.shares {
		fed.Spec.DNS.Shared, fed.Spec.DNS.Hostname = true, v1alpha1.DomainName(r.host(name))
	}
	return fed
}

// host is the host name of one of its Federations.
func (r *rival) host(federation string) string {
	label := "xmpp"
	if r.shares {
		label = strings.ToLower(r.name)
	}
	return label + "." + federation + "." + rivalZone
}

// owner is the name of one of its Federations in ownership records.
func (r *rival) owner(federation string) string {
	hash := sha256.Sum256([]byte(r.uid + "/" + stageNamespace + "/" + federation))
	return hex.EncodeToString(hash[:10])
}

// federations by name.
func (r *rival) federations(ctx context.Context) (map[string]*v1alpha1.Federation, error) {
	var all v1alpha1.FederationList
	if err := r.Client.List(ctx, &all, client.InNamespace(stageNamespace)); err != nil {
		return nil, fmt.Errorf("listing Federations of cluster %s: %w", r.name, err)
	}
	byName := map[string]*v1alpha1.Federation{}
	for i := range all.Items {
		byName[all.Items[i].Name] = &all.Items[i]
	}
	return byName, nil
}

// published is what a Federation says about its records.
func published(fed *v1alpha1.Federation) metav1.Condition {
	return says(fed.Status.Conditions, v1alpha1.ConditionDNSPublished, fed.Generation)
}
