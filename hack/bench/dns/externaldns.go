// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// externalDNS publishes the address of a Service by its annotation, and the service record by a DNSEndpoint.
type externalDNS struct {
	*machine
	program string
	// dir is where their logs go, numbered by started.
	dir     string
	started atomic.Int64
}

// externalDNSFlags are those of the tutorial for BIND, with the record types that federation needs.
func externalDNSFlags(kubeconfig string, set nameSet, more ...string) []string {
	return append([]string{
		"--kubeconfig=" + kubeconfig, "--namespace=" + set.Namespace, "--metrics-address=127.0.0.1:0",
		"--source=service", "--source=crd", "--service-type-filter=LoadBalancer", "--domain-filter=" + set.Zone,
		"--managed-record-types=A", "--managed-record-types=AAAA", "--managed-record-types=SRV",
		"--provider=rfc2136", "--rfc2136-host=127.0.0.1", "--rfc2136-port=53", "--rfc2136-zone=" + set.Zone, "--rfc2136-tsig-axfr",
		"--rfc2136-tsig-keyname=" + dnstest.FedKey, "--rfc2136-tsig-secret-alg=hmac-sha256", "--rfc2136-tsig-secret=" + dnstest.FedSecret,
		"--registry=txt", "--txt-owner-id=bench", "--policy=sync", "--log-level=warning",
	}, more...)
}

func (e *externalDNS) start(_ context.Context, set nameSet, more ...string) (process, error) {
	log := filepath.Join(e.dir, fmt.Sprintf("external-dns-%d.log", e.started.Add(1)))
	return startDaemon(log, exec.Command(e.program, externalDNSFlags(e.Kubeconfig, set, more...)...))
}

// prepare creates Services that wait for an address, and DNSEndpoints. Their status is written as ExternalDNS would: it
// writes it one by one, and its version has no flag to do more than 5 requests a second, which is not to be measured here.
func (e *externalDNS) prepare(ctx context.Context, set nameSet) error {
	if err := e.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: set.Namespace}}); err != nil {
		return err
	}
	return inParallel(set.Count, func(i int) error {
		endpoint := e.endpoint(set, i, standardPort)
		if err := errors.Join(e.Client.Create(ctx, e.service(set, i)), e.Client.Create(ctx, endpoint)); err != nil {
			return err
		}
		return e.observed(ctx, endpoint)
	})
}

func (e *externalDNS) service(set nameSet, i int) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: set.object(i), Namespace: set.Namespace,
			Annotations: map[string]string{
				"external-dns.alpha.kubernetes.io/hostname": set.host(i), "external-dns.alpha.kubernetes.io/ttl": strconv.Itoa(set.ttl()),
			},
		},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Name: "s2s", Port: standardPort}}},
	}
}

// observed writes the status of a DNSEndpoint.
func (e *externalDNS) observed(ctx context.Context, endpoint *unstructured.Unstructured) error {
	before := endpoint.DeepCopy()
	endpoint.Object["status"] = map[string]any{"observedGeneration": endpoint.GetGeneration()}
	return e.Client.Status().Patch(ctx, endpoint, client.MergeFrom(before))
}

func (e *externalDNS) endpoint(set nameSet, i, port int) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "externaldns.k8s.io/v1alpha1", "kind": "DNSEndpoint",
		"metadata": map[string]any{"name": set.object(i), "namespace": set.Namespace},
		"spec": map[string]any{"endpoints": []any{map[string]any{
			"dnsName": set.service(i), "recordType": "SRV", "recordTTL": int64(set.ttl()),
			"targets": []any{fmt.Sprintf("0 0 %d %s", port, set.host(i))},
		}}},
	}}
}

// asItIs is ExternalDNS with nothing done in its stead: a name's DNSEndpoint is created when it gets its address, as the
// operator then begins to publish both records, and ExternalDNS writes the status of all of them itself.
type asItIs struct{ *externalDNS }

func (e asItIs) prepare(ctx context.Context, set nameSet) error {
	if err := e.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: set.Namespace}}); err != nil {
		return err
	}
	return inParallel(set.Count, func(i int) error { return e.Client.Create(ctx, e.service(set, i)) })
}

func (e asItIs) assign(ctx context.Context, set nameSet, i int, address string) error {
	if err := e.Client.Create(ctx, e.endpoint(set, i, standardPort)); err != nil {
		return err
	}
	return e.externalDNS.assign(ctx, set, i, address)
}

func (e *externalDNS) assign(ctx context.Context, set nameSet, i int, address string) error {
	return e.assignTo(ctx, set.Namespace, set.object(i), address)
}

func (e *externalDNS) setPort(ctx context.Context, set nameSet, i, port int) error {
	endpoint := e.endpoint(set, i, port)
	endpoint.SetManagedFields(nil)
	if err := e.Client.Patch(ctx, endpoint, client.Merge); err != nil {
		return err
	}
	return e.observed(ctx, endpoint)
}

func (e *externalDNS) remove(ctx context.Context, set nameSet, i int) error {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: set.object(i), Namespace: set.Namespace}}
	return errors.Join(e.Client.Delete(ctx, service), e.Client.Delete(ctx, e.endpoint(set, i, standardPort)))
}

// assignTo gives a Service of type LoadBalancer its address, as a cloud does.
func (m *machine) assignTo(ctx context.Context, namespace, name, address string) error {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	patch := fmt.Sprintf(`{"status":{"loadBalancer":{"ingress":[{"ip":%q}]}}}`, net.ParseIP(address))
	return m.Client.Status().Patch(ctx, service, client.RawPatch("application/merge-patch+json", []byte(patch)))
}
