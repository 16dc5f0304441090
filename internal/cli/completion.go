// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// completionTimeout is how long somebody who pressed Tab is kept waiting for a cluster.
const completionTimeout = 3 * time.Second

// completeFederations offers the names of the namespace's Federations for a verb's one argument.
func (e *environment) completeFederations(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	cluster, err := e.cluster()
	if len(args) > 0 || err != nil {
		return nil, directive
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	var feds v1alpha1.FederationList
	if err := cluster.List(ctx, &feds, client.InNamespace(cluster.namespace)); err != nil {
		return nil, directive
	}
	var names []string
	for _, fed := range feds.Items {
		if strings.HasPrefix(fed.Name, typed) {
			name := fed.Name
			if len(fed.Spec.Domains) > 0 {
				name += "\t" + string(fed.Spec.Domains[0])
			}
			names = append(names, name)
		}
	}
	return names, directive
}
