// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// Partner is jdoe1@gmail.com, somewhere on the internet.
var Partner = Account{JID: lab.Partner, Password: lab.PartnerPassword, Host: "internet", Server: lab.PartnerAddress}

// AccountOf is a user of the first domain of a Federation, who connects from inside the cluster.
func AccountOf(ctx context.Context, cluster client.Client, fed *v1alpha1.Federation, localpart string) (Account, error) {
	var accounts corev1.Secret
	key := client.ObjectKey{Namespace: fed.Namespace, Name: fed.Spec.Server.Accounts.SecretRef.Name}
	if err := cluster.Get(ctx, key, &accounts); err != nil {
		return Account{}, fmt.Errorf("reading the password of %s: %w", localpart, err)
	}
	var clients corev1.Service
	key.Name = fed.Name + "-clients"
	if err := cluster.Get(ctx, key, &clients); err != nil {
		return Account{}, fmt.Errorf("finding the server of %s: %w", localpart, err)
	}
	return Account{
		JID:      localpart + "@" + string(fed.Spec.Domains[0]),
		Password: string(accounts.Data[localpart]),
		Host:     "node",
		Server:   net.JoinHostPort(clients.Spec.ClusterIP, strconv.Itoa(int(clients.Spec.Ports[0].Port))),
	}, nil
}
