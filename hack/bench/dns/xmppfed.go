// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/testkit/cluster"
)

// standardPort of service records.
const standardPort = 5269

// Names of the objects that all Federations of a namespace share.
const (
	tlsSecret  = "wildcard-tls"
	tsigSecret = "bench-tsig"
	tsigKey    = "secret"
	rootsName  = "roots"
	rootsKey   = "ca.crt"
)

// xmppfed publishes both by a Federation.
type xmppfed struct {
	*machine
	program string
	servers *servers
}

func (x *xmppfed) start(ctx context.Context, set nameSet, more ...string) (process, error) {
	flags := append([]string{"--leader-elect=false", "--log-level=error", "--watch-namespaces=" + set.Namespace}, more...)
	o, err := x.NewOperator(ctx, x.program, flags...)
	if err != nil {
		return nil, err
	}
	if err := o.Start(); err != nil {
		return nil, err
	}
	if err := o.Ready(ctx); err != nil {
		o.Kill()
		return nil, err
	}
	return operator{o}, nil
}

func (x *xmppfed) prepare(ctx context.Context, set nameSet) error {
	key := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: tsigSecret, Namespace: cluster.Namespace},
		StringData: map[string]string{tsigKey: dnstest.FedSecret},
	}
	operators := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: cluster.Namespace}}
	for _, shared := range []client.Object{operators, key} {
		if err := x.Client.Create(ctx, shared); client.IgnoreAlreadyExists(err) != nil {
			return err
		}
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: set.Namespace}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: tlsSecret, Namespace: set.Namespace},
			Type:       corev1.SecretTypeTLS, Data: x.servers.pair,
		},
		&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: rootsName, Namespace: set.Namespace}, Data: map[string]string{rootsKey: x.servers.roots},
		},
		x.zone(set),
	} {
		if err := x.Client.Create(ctx, object); err != nil {
			return err
		}
	}
	return inParallel(set.Count, func(i int) error { return x.Client.Create(ctx, x.federation(set, i)) })
}

func (x *xmppfed) zone(set nameSet) *v1alpha1.DNSZone {
	return &v1alpha1.DNSZone{
		ObjectMeta: metav1.ObjectMeta{Name: set.Namespace},
		Spec: v1alpha1.DNSZoneSpec{
			Zone: v1alpha1.DomainName(set.Zone),
			Provider: v1alpha1.DNSProvider{RFC2136: &v1alpha1.RFC2136Provider{
				Servers: []v1alpha1.ServerAddress{nameServer},
				TSIG: v1alpha1.TSIGKey{
					KeyName: dnstest.FedKey, Algorithm: "hmac-sha256",
					SecretRef: v1alpha1.SecretKey{SecretName: v1alpha1.SecretName{Name: tsigSecret}, Key: tsigKey},
				},
			}},
			Namespaces: &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll},
			// Not all that is measured is to be held up: the arms remove many names at once.
			Brake: v1alpha1.RemovalBrake{Percent: 100},
		},
	}
}

func (x *xmppfed) federation(set nameSet, i int) *v1alpha1.Federation {
	return &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Name: set.object(i), Namespace: set.Namespace},
		Spec: v1alpha1.FederationSpec{
			Domains: []v1alpha1.DomainName{v1alpha1.DomainName(set.domain(i))},
			Server:  v1alpha1.ServerSpec{Engine: v1alpha1.EngineProsody, Replicas: 1},
			// Nobody speaks XMPP at the pods' addresses.
			DNS: v1alpha1.DNSSpec{TTL: int32(set.ttl()), PublicationPolicy: v1alpha1.PublishImmediately},
			TLS: &v1alpha1.TLSSpec{
				SecretRef:  &v1alpha1.SecretName{Name: tlsSecret},
				TrustedCAs: []v1alpha1.TrustedCA{{ConfigMapRef: v1alpha1.ConfigMapKey{Name: rootsName, Key: rootsKey}}},
			},
		},
	}
}

func (x *xmppfed) assign(ctx context.Context, set nameSet, i int, address string) error {
	return x.assignTo(ctx, set.Namespace, set.object(i)+"-s2s", address)
}

func (x *xmppfed) setPort(ctx context.Context, set nameSet, i, port int) error {
	patch := fmt.Sprintf(`{"spec":{"exposure":{"port":%d}}}`, port)
	return x.Client.Patch(ctx, x.federation(set, i), client.RawPatch("application/merge-patch+json", []byte(patch)))
}

func (x *xmppfed) remove(ctx context.Context, set nameSet, i int) error {
	return x.Client.Delete(ctx, x.federation(set, i))
}

// settled waits until every Federation has had this condition, true. It asks for one after the other, for to list them all,
// over and over, would keep the API server from its work.
func (x *xmppfed) settled(ctx context.Context, set nameSet, condition string) error {
	for i := range set.Count {
		for {
			fed := &v1alpha1.Federation{}
			if err := x.Client.Get(ctx, client.ObjectKeyFromObject(x.federation(set, i)), fed); err != nil {
				return err
			}
			found := meta.FindStatusCondition(fed.Status.Conditions, condition)
			if found != nil && found.Status == metav1.ConditionTrue && found.ObservedGeneration == fed.Generation {
				break
			}
			if err := rest(ctx, 200*time.Millisecond); err != nil {
				return fmt.Errorf("waiting for condition %s of Federation %s: %w; it has %+v", condition, fed.Name, err, found)
			}
		}
	}
	return nil
}
