// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xmppfed/xmppfed/internal/cli/status"
)

// statusOptions are the flags of the verb status.
type statusOptions struct {
	allNamespaces, watch bool
}

func newStatus(env *environment) *cobra.Command {
	var options statusOptions
	cmd := &cobra.Command{
		Use:   "status [FEDERATION]",
		Short: "Show on one screen how a Federation does, or a table of all of them",
		Long: "Show on one screen how a Federation does, or a table of all of them.\n\n" +
			"Live sessions are asked from the server itself, through the cluster: that takes the rights to read the\n" +
			"Federation's Secret and to forward ports of its pods. Who lacks them sees everything else.",
		Example: "  kubectl xmppfed status -A\n" +
			"  kubectl xmppfed status cup -n chat --watch",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: env.completeFederations,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && options.allNamespaces {
				return errors.New("a Federation is named, so -A makes no sense; name its namespace with -n")
			}
			cluster, err := env.cluster()
			if err != nil {
				return err
			}
			show := func(ctx context.Context) (string, error) {
				return env.showFederations(ctx, cluster, options.allNamespaces)
			}
			if len(args) > 0 {
				show = func(ctx context.Context) (string, error) { return env.showFederation(ctx, cluster, args[0]) }
			}
			if options.watch {
				return env.watch(cmd.Context(), cluster, options.allNamespaces, show)
			}
			screen, err := show(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprint(env.Out, screen)
			return nil
		},
	}
	cmd.Flags().BoolVarP(&options.allNamespaces, "all-namespaces", "A", false, "list the Federations of all namespaces")
	cmd.Flags().BoolVarP(&options.watch, "watch", "w", false, "go on showing it whenever it changes")
	return cmd
}

// showFederation is the screen of one Federation.
func (e *environment) showFederation(ctx context.Context, c *cluster, name string) (string, error) {
	fed, err := c.federation(ctx, name)
	if err != nil {
		return "", err
	}
	model := status.Model{Federation: fed}
	if model.Sessions, model.SessionsTotal, err = c.sessions(ctx, fed); err != nil {
		model.SessionsLeftOut = err.Error()
	}
	model.Now = e.now()
	return status.Render(model, e.style()), nil
}

// showFederations is the table of Federations.
func (e *environment) showFederations(ctx context.Context, c *cluster, everywhere bool) (string, error) {
	feds, err := c.federations(ctx, everywhere)
	if err != nil {
		return "", err
	}
	if len(feds.Items) == 0 {
		if everywhere {
			return "There is no Federation in the cluster.\n", nil
		}
		return fmt.Sprintf("There is no Federation in namespace %s; -A looks in all.\n", c.namespace), nil
	}
	return status.RenderList(feds.Items, everywhere, e.now(), e.style()), nil
}
