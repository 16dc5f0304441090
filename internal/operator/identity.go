// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
)

const (
	// leaseName is the name of the Lease for leader election.
	leaseName = "xmppfed-operator"
	// ownershipSecret holds the key that signs ownership records in the DNS. Keep it with the cluster's backups: without
	// it the operator doesn't recognise its own records any more.
	ownershipSecret = "xmppfed-ownership"
	ownershipKey    = "key"
	// previousOwnershipKey, if the Secret has it, is the key from before: what it signed is still recognised, and signed anew
	// with the other key when the Federation that it belongs to is looked at.
	previousOwnershipKey = "previous-key"
)

// identity is what tells this cluster's records from every other's.
type identity struct {
	cluster string
	signer  dns.Signer
}

// findIdentity reads the cluster's identity; the signing key is made when there is none yet.
func findIdentity(ctx context.Context, c client.Client, namespace string) (identity, error) {
	var system corev1.Namespace
	if err := c.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &system); err != nil {
		return identity{}, fmt.Errorf("reading namespace %s, whose UID names the cluster: %w", metav1.NamespaceSystem, err)
	}
	key := client.ObjectKey{Namespace: namespace, Name: ownershipSecret}
	var secret corev1.Secret
	err := c.Get(ctx, key, &secret)
	if apierrors.IsNotFound(err) {
		err = makeOwnershipSecret(ctx, c, key, &secret)
	}
	if err != nil {
		return identity{}, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	keys := [][]byte{secret.Data[ownershipKey]}
	if previous, found := secret.Data[previousOwnershipKey]; found {
		keys = append(keys, previous)
	}
	signer, err := dns.NewSigner(keys...)
	if err != nil {
		return identity{}, fmt.Errorf("using key %s of Secret %s: %w", ownershipKey, key, err)
	}
	return identity{cluster: string(system.UID), signer: signer}, nil
}

// makeOwnershipSecret creates the Secret, or reads the one that another operator was quicker to create.
func makeOwnershipSecret(ctx context.Context, c client.Client, key client.ObjectKey, secret *corev1.Secret) error {
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	*secret = corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: key.Name, Namespace: key.Namespace, Labels: map[string]string{desired.LabelManagedBy: desired.ManagedBy},
		},
		Data: map[string][]byte{ownershipKey: random},
	}
	err := c.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		return c.Get(ctx, key, secret)
	}
	return err
}

// newLock is the lease for leader election under the identity that the options give.
func newLock(config *rest.Config, options Options) (resourcelock.Interface, error) {
	if options.Identity == "" {
		return nil, fmt.Errorf("a name in leader election is needed; set --identity or POD_NAME")
	}
	clients, err := kubernetes.NewForConfig(rest.AddUserAgent(config, "leader-election"))
	if err != nil {
		return nil, fmt.Errorf("making a client for leader election: %w", err)
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: options.Namespace, Name: leaseName},
		Client:     clients.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: options.Identity},
	}, nil
}
