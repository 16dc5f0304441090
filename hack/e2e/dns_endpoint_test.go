// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/faults"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

const (
	endpointZone   = "bench.example"
	endpointDomain = "endpoint." + endpointZone
	endpointSRV    = "_xmpp-server._tcp." + endpointDomain
)

// A Federation is published by a real ExternalDNS in the cluster, which writes to BIND: the flag that ExternalDNS lacks is
// named, the address is followed, and what ExternalDNS's provider rfc2136 never removes is asked to be removed by hand, while
// the address stays. What others have in the zone stays as it was.
func TestDNSEndpoint(t *testing.T) {
	needs(t, usual, exclusive(benchZone))
	installDNSEndpoints(t)
	dnsZone := testZone("e2e-endpoint", endpointZone)
	dnsZone.Spec.Provider = v1alpha1.DNSProvider{DNSEndpoint: &v1alpha1.DNSEndpointProvider{SRVTargets: v1alpha1.SRVTargetsBare}}
	discardZone(t, dnsZone) // of an earlier run
	t.Cleanup(func() { discardZone(t, dnsZone) })
	s := newAllowedSite(t)
	s.foreignRecords(endpointDomain)
	foreign := transferOf(t, endpointZone)
	s.furnish(endpointDomain, nil)
	fed := s.furnished(endpointDomain)
	s.Cleanup(func() { // after ExternalDNS, which started later, was ended; whatever happened, the Federation can go
		s.must(client.IgnoreNotFound(edit(s.ctx, cluster, fed, func(fed *v1alpha1.Federation) {
			fed.Annotations = map[string]string{v1alpha1.AnnotationAbandonRecordsIn: endpointZone}
		})))
		s.discard(without(transferOf(t, endpointZone), foreign))
	})
	s.create(dnsZone, fed)

	stop := s.startExternalDNS()
	s.saysOf(fed, v1alpha1.ConditionDNSPublished, "does not serve SRV "+endpointSRV, "none of type SRV", "--managed-record-types=SRV")
	s.Expect(s.condition(fed, v1alpha1.ConditionDNSPublished).Reason).To(Equal(v1alpha1.ReasonPropagationPending))
	stop()
	s.startExternalDNS("--managed-record-types=SRV")
	s.awaitReady(fed)
	s.isServedAt(fed.Status.Addresses...)

	address, err := lab.Readdress(s.ctx, client.ObjectKeyFromObject(s.publicService(fed)))
	s.must(err)
	s.isServedAt(address)
	s.Eventually(func() []string { s.condition(fed, v1alpha1.ConditionReady); return fed.Status.Addresses }, soon, poll).
		Should(Equal([]string{address}))
	s.awaitReady(fed)

	s.must(cluster.Delete(s.ctx, fed))
	s.saysOf(fed, v1alpha1.ConditionReady, "still serves SRV "+endpointSRV, "rfc2136 know no service record", "removes SRV "+endpointSRV)
	s.isServedAt(address) // as long as partners may come by the service record
	s.Eventually(func(g Gomega) {
		s.must(lab.Update(s.ctx, "update delete "+endpointSRV+". SRV"))
		err := cluster.Get(s.ctx, client.ObjectKeyFromObject(fed), &v1alpha1.Federation{})
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the Federation to be gone: %v", err)
	}, goneWithin, time.Second).Should(Succeed())
	s.Expect(s.lab("exec", faults.Outside, "--", "dig", "+short", "@"+hostOf(lab.Secondary), "xmpp."+endpointDomain)).To(BeEmpty())
	left := without(transferOf(t, endpointZone), foreign)
	for _, record := range left {
		s.Expect(record).To(ContainSubstring("heritage=external-dns"), "left of a Federation that is gone")
	}
	t.Logf("left by the registry of ExternalDNS: %q", left)
	s.Expect(without(foreign, transferOf(t, endpointZone))).To(BeEmpty(), "records of others that are gone")
}

// transferOf reads a zone.
func transferOf(t *testing.T, apex string) []string {
	t.Helper()
	records, err := lab.Transfer(apex)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// installDNSEndpoints makes ExternalDNS' kind known to the cluster until the test ends.
func installDNSEndpoints(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(dnstest.ExternalDNSCRD(t) + "/*.yaml")
	if err != nil || len(files) != 1 {
		t.Fatalf("looking for the CRD of ExternalDNS: %v, %v", files, err)
	}
	manifest, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	const name = "crd/dnsendpoints.externaldns.k8s.io"
	t.Cleanup(func() {
		if _, err := lab.Run(context.Background(), "kubectl", "delete", "--ignore-not-found", name); err != nil {
			t.Error(err)
		}
	})
	if err := lab.Apply(t.Context(), string(manifest)); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Run(t.Context(), "kubectl", "wait", "--for=condition=Established", "--timeout=30s", name); err != nil {
		t.Fatal(err)
	}
}

// startExternalDNS on the node, which writes to the lab's primary what is below the domain.
func (s *site) startExternalDNS(flags ...string) (stop func()) {
	s.Helper()
	return dnstest.RunExternalDNS(s.T, lab.Kubeconfig, append([]string{
		"--namespace=" + operatorNamespace, "--policy=sync", "--domain-filter=" + endpointDomain,
		"--registry=txt", "--txt-owner-id=e2e",
		"--provider=rfc2136", "--rfc2136-host=" + hostOf(lab.Primary), "--rfc2136-port=53", "--rfc2136-zone=" + endpointZone,
		"--rfc2136-tsig-axfr", "--rfc2136-tsig-keyname=lab-admin", "--rfc2136-tsig-secret-alg=hmac-sha256",
		"--rfc2136-tsig-secret=" + string(labKey(s.T, "lab-admin")),
	}, flags...)...)
}

// saysOf waits until a condition is False and has all the words.
func (s *site) saysOf(fed *v1alpha1.Federation, conditionType string, words ...string) {
	s.Helper()
	var found metav1.Condition
	s.Eventually(func(g Gomega) {
		found = s.condition(fed, conditionType)
		g.Expect(found.Status).To(Equal(metav1.ConditionFalse))
		for _, word := range words {
			g.Expect(found.Message).To(ContainSubstring(word))
		}
	}, readyWithin, poll).Should(Succeed())
	s.Log(found.Message)
}

// isServedAt makes sure that dig shows outside the service record and the addresses.
func (s *site) isServedAt(addresses ...string) {
	s.Helper()
	s.hasAddresses(endpointDomain, addresses...)
	s.Expect(s.lab("exec", faults.Outside, "--", "dig", "+short", "@"+hostOf(lab.Secondary), endpointSRV, "SRV")).
		To(Equal("0 0 5269 xmpp." + endpointDomain + "."))
}

// hostOf an address with a port.
func hostOf(address string) string {
	host, _, _ := strings.Cut(address, ":")
	return host
}
