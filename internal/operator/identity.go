// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
)

const (
	// ownershipSecret holds the key that signs ownership records in the DNS. Keep it with the cluster's backups: without
	// it the operator doesn't recognise its own records any more.
	ownershipSecret = "xmppfed-ownership"
	ownershipKey    = "key"
	// previousOwnershipKey, if the Secret has it, is the key from before: what it signed is still recognised, and signed anew
	// with the other key when the Federation that it belongs to is looked at.
	previousOwnershipKey = "previous-key"
	// pageSize is how many Federations are read at once to find one that has records.
	pageSize = 500
)

// identity is what tells this cluster's records from every other's.
type identity struct {
	cluster string
	signer  dns.Signer
	// data of the Secret that the signer was made from, and the fingerprints of its keys, the one that signs first.
	data   map[string][]byte
	prints []string
}

// findCluster returns the name of the cluster.
func findCluster(ctx context.Context, c client.Client) (string, error) {
	var system corev1.Namespace
	if err := c.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &system); err != nil {
		return "", fmt.Errorf("reading namespace %s, whose UID names the cluster: %w", metav1.NamespaceSystem, err)
	}
	return string(system.UID), nil
}

// findIdentity reads the cluster's identity. The signing key is made when there is none yet; but not where Federations have records
// already, for whoever signs with another key would not recognise them. The Federations are those in the namespaces; none for all.
func findIdentity(ctx context.Context, c client.Client, namespace string, watches []string) (identity, error) {
	cluster, err := findCluster(ctx, c)
	if err != nil {
		return identity{}, err
	}
	key := client.ObjectKey{Namespace: namespace, Name: ownershipSecret}
	var secret corev1.Secret
	err = c.Get(ctx, key, &secret)
	if apierrors.IsNotFound(err) {
		if err = refuseNewKey(ctx, c, key, watches); err != nil {
			return identity{}, err
		}
		err = makeOwnershipSecret(ctx, c, key, &secret)
	}
	if err != nil {
		return identity{}, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	signer, prints, err := signerOf(secret.Data)
	if err != nil {
		return identity{}, &hold{"OwnershipKeyUnusable", fmt.Sprintf("Secret %s can't be used: %v; put its keys %s and, if there was "+
			"one, %s back from a backup; to start over without what was published, delete the Secret and create it with a random key",
			key, err, ownershipKey, previousOwnershipKey)}
	}
	return identity{cluster: cluster, signer: signer, data: secret.Data, prints: prints}, nil
}

// signerOf makes the signer from the content of the Secret.
func signerOf(data map[string][]byte) (dns.Signer, []string, error) {
	var keys [][]byte
	var prints []string
	for _, name := range []string{ownershipKey, previousOwnershipKey} {
		key, found := data[name]
		if !found && name == previousOwnershipKey {
			continue
		}
		if _, err := dns.NewSigner(key); err != nil {
			return dns.Signer{}, nil, fmt.Errorf("using its key %s: %w", name, err)
		}
		keys, prints = append(keys, key), append(prints, fingerprint(key))
	}
	signer, err := dns.NewSigner(keys...)
	return signer, prints, err
}

// refuseNewKey returns a *hold when a Federation may have records, which a new key would not recognise.
func refuseNewKey(ctx context.Context, c client.Client, key client.ObjectKey, watches []string) error {
	federation, err := withRecords(ctx, c, watches)
	if err != nil || federation == "" {
		return err
	}
	return &hold{"OwnershipKeyMissing", fmt.Sprintf("Secret %s is missing, and with it the key that signs ownership records, while "+
		"Federations such as %s have records in the DNS that only that key recognises; put the Secret back from a backup, or, after a "+
		"move, copy it from the namespace of the installation before; to start over without what was published, create it: "+
		"kubectl -n %s create secret generic %s --from-literal=%s=$(openssl rand -hex 32)",
		key, federation, key.Namespace, key.Name, ownershipKey)}
}

// withRecords returns the name of a Federation that may have records in the DNS; empty if there is none.
func withRecords(ctx context.Context, c client.Client, watches []string) (string, error) {
	if len(watches) == 0 {
		watches = []string{metav1.NamespaceAll}
	}
	for _, namespace := range watches {
		list := &v1alpha1.FederationList{}
		for first := true; first || list.Continue != ""; first = false {
			err := c.List(ctx, list, client.InNamespace(namespace), client.Limit(pageSize), client.Continue(list.Continue))
			if err != nil {
				return "", fmt.Errorf("listing Federations, which may have records: %w", err)
			}
			for i := range list.Items {
				fed := &list.Items[i]
				if len(fed.Status.Zones)+len(fed.Status.Records) > 0 || controllerutil.ContainsFinalizer(fed, controllers.Finalizer) {
					return client.ObjectKeyFromObject(fed).String(), nil
				}
			}
		}
	}
	return "", nil
}

// newOwnershipSecret returns the Secret with the given content.
func newOwnershipSecret(key client.ObjectKey, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: key.Name, Namespace: key.Namespace, Labels: map[string]string{desired.LabelManagedBy: desired.ManagedBy},
		},
		Data: data,
	}
}

// makeOwnershipSecret creates the Secret, or reads the one that another operator was quicker to create.
func makeOwnershipSecret(ctx context.Context, c client.Client, key client.ObjectKey, secret *corev1.Secret) error {
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	*secret = *newOwnershipSecret(key, map[string][]byte{ownershipKey: random})
	err := c.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		return c.Get(ctx, key, secret)
	}
	return err
}
