// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	apiserver "github.com/xmppfed/xmppfed/internal/testkit/cluster"
)

const (
	// stageNamespace is where the Federations of a stage are.
	stageNamespace = "chat"
	// stageServer is the address of a stage's BIND. The operator asks name servers at port 53.
	stageServer = "127.0.0.1:53"
	// stageSecret holds the TSIG secret that BIND knows.
	stageSecret = "fed-tsig"
)

// stage is an API server, the operator as a process and a BIND, all at the node's loopback addresses and of this test
// alone: for tests that break what others in the lab need.
type stage struct {
	*testing.T
	*WithT
	api      client.WithWatch
	operator *apiserver.Operator
	named    *dnstest.Daemon
}

// newStage starts all three. Zones are those of BIND, with further records in master file format.
func newStage(t *testing.T, zones map[string]string) *stage {
	t.Helper()
	uses(t, exclusive(stageAddresses))
	s := &stage{T: t, WithT: NewWithT(t)}
	s.named = dnstest.StartNamed(t, dnstest.NamedOptions{Port: 53, Zones: zones})
	kube, err := apiserver.Start(t.TempDir())
	s.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { s.Expect(kube.Stop()).To(Succeed()) })
	s.api = kube.Client
	s.operator, err = kube.NewOperator(t.Context(), operatorProgram(t))
	s.Expect(err).NotTo(HaveOccurred())
	s.put(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: stageNamespace, Labels: allowed}})
	s.putSecret(stageSecret, dnstest.FedSecret)
	s.Expect(s.operator.Start()).To(Succeed())
	t.Cleanup(s.operator.Stop)
	s.Expect(s.operator.Ready(t.Context())).To(Succeed())
	return s
}

// operatorProgram is the path of the operator that the image in the lab was made of, which is that of this tree (hack/deploy.sh).
func operatorProgram(t *testing.T) string {
	t.Helper()
	program, err := lab.Path("bin/lab/operator")
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func (s *stage) put(objects ...client.Object) {
	s.Helper()
	for _, object := range objects {
		s.Expect(s.api.Create(s.Context(), object)).To(Succeed())
	}
}

func (s *stage) putSecret(name, value string) {
	s.Helper()
	s.put(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: apiserver.Namespace, Name: name}, StringData: map[string]string{"secret": value},
	})
}

// zone is a DNSZone for an apex, named after it, whose servers are at the given address.
func stageZone(apex, server string) *v1alpha1.DNSZone {
	zone := testZone(strings.ReplaceAll(apex, ".", "-"), apex)
	zone.Spec.Provider.RFC2136.Servers = []v1alpha1.ServerAddress{v1alpha1.ServerAddress(server)}
	zone.Spec.Provider.RFC2136.TSIG.KeyName = dnstest.FedKey
	zone.Spec.Provider.RFC2136.TSIG.SecretRef.Name = stageSecret
	return zone
}

// stageFederation has an address, so that it is published without load balancer, and a certificate that is not there, so that
// no server is made: there is nobody to run it, and nothing waits for it.
func stageFederation(name, domain string) *v1alpha1.Federation {
	return &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Namespace: stageNamespace, Name: name},
		Spec: v1alpha1.FederationSpec{
			Domains:  []v1alpha1.DomainName{v1alpha1.DomainName(domain)},
			Exposure: v1alpha1.ExposureSpec{PublicAddresses: []string{"203.0.113.130"}},
			DNS:      v1alpha1.DNSSpec{TTL: 1, PublicationPolicy: v1alpha1.PublishImmediately},
			TLS:      &v1alpha1.TLSSpec{SecretRef: &v1alpha1.SecretName{Name: "no-certificate"}},
			// Nobody can be reached from the outside.
			Verification: v1alpha1.VerificationSpec{Interval: metav1.Duration{Duration: time.Hour}},
		},
	}
}

// edit changes an object in the cluster, whatever others write to it meanwhile.
func edit[T client.Object](ctx context.Context, api client.Client, object T, by func(T)) error {
	if err := api.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return err
	}
	before := object.DeepCopyObject().(client.Object)
	by(object)
	return api.Patch(ctx, object, client.MergeFrom(before))
}

// says is a condition of an object whose newest generation it speaks of, or an empty one.
func says(conditions []metav1.Condition, conditionType string, generation int64) metav1.Condition {
	found := meta.FindStatusCondition(conditions, conditionType)
	if found == nil || found.ObservedGeneration != generation {
		return metav1.Condition{}
	}
	return *found
}

// nsupdate changes BIND's zone as somebody else does: records to remove and to add, in master file format.
func nsupdate(ctx context.Context, apex string, remove, add []string) error {
	m := new(dns.Msg).SetUpdate(dns.Fqdn(apex))
	for _, change := range []struct {
		lines []string
		note  func([]dns.RR)
	}{{remove, m.Remove}, {add, m.Insert}} {
		for _, line := range change.lines {
			rr, err := dns.NewRR(line)
			if err != nil {
				return fmt.Errorf("reading %q: %w", line, err)
			}
			change.note([]dns.RR{rr})
		}
	}
	m.SetTsig(dnstest.ForeignKey+".", dns.HmacSHA256, 300, time.Now().Unix())
	foreign := dns.Client{Net: "tcp", TsigSecret: map[string]string{dnstest.ForeignKey + ".": dnstest.ForeignSecret}, Timeout: soon}
	answer, _, err := foreign.ExchangeContext(ctx, m, stageServer)
	if err != nil {
		return fmt.Errorf("updating zone %s: %w", apex, err)
	}
	if answer.Rcode != dns.RcodeSuccess {
		return fmt.Errorf("updating zone %s: %s", apex, dns.RcodeToString[answer.Rcode])
	}
	return nil
}

// stageLook is how often dozens of tests at once look at their objects.
const stageLook = 200 * time.Millisecond

// until waits until something is done, and tells whether it was within the time. It is for goroutines, which must not end
// a test.
func until(ctx context.Context, within time.Duration, done func() bool) bool {
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	look := time.NewTicker(stageLook)
	defer look.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-look.C:
		}
	}
	return true
}
