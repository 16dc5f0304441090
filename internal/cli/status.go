// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
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
			"Live sessions, memory, the volume, and what was refused since the server started are asked from the\n" +
			"server itself, through the cluster: that takes the rights to read the Federation's Secret and to forward\n" +
			"ports of its pods. Who lacks them sees everything else.\n\n" +
			"It ends with 0 when every Federation that it shows is as its spec wants it, with 3 when one is not but\n" +
			"partners reach all of them, and with 1 when one can't be reached or nothing is known about that.\n" +
			"Partners that do not answer don't count: that is their side.",
		Example: "  kubectl xmppfed status -A\n" +
			"  kubectl xmppfed status cup -n chat --watch",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: env.completeFederations,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && options.allNamespaces {
				return errors.New("a Federation is named, so -A makes no sense; name its namespace with -n")
			}
			return env.runStatus(cmd.Context(), args, options)
		},
	}
	cmd.Flags().BoolVarP(&options.allNamespaces, "all-namespaces", "A", false, "list the Federations of all namespaces")
	cmd.Flags().BoolVarP(&options.watch, "watch", "w", false, "go on showing it whenever it changes")
	return cmd
}

// screen is what there is to show, and the error that says how the Federations on it are: none, errDegraded or errFound.
type screen struct {
	text string
	err  error
}

func (e *environment) runStatus(ctx context.Context, args []string, options statusOptions) error {
	cluster, err := e.cluster()
	if err != nil {
		return err
	}
	show := func(ctx context.Context) (screen, error) {
		return e.showFederations(ctx, cluster, options.allNamespaces)
	}
	if len(args) > 0 {
		show = func(ctx context.Context) (screen, error) { return e.showFederation(ctx, cluster, args[0]) }
	}
	if options.watch {
		return e.watch(ctx, cluster, options.allNamespaces, show)
	}
	shown, err := show(ctx)
	if err != nil {
		return err
	}
	fmt.Fprint(e.Out, shown.text)
	return shown.err
}

// showFederation is the screen of one Federation.
func (e *environment) showFederation(ctx context.Context, c *cluster, name string) (screen, error) {
	fed, err := c.federation(ctx, name)
	if err != nil {
		return screen{}, err
	}
	model := status.Model{Federation: fed}
	if model.Live, err = c.live(ctx, fed); err != nil {
		model.SessionsLeftOut = err.Error()
	}
	model.Now = e.now()
	return screen{text: status.Render(model, e.style()), err: stateOf(*fed)}, nil
}

// showFederations is the table of Federations.
func (e *environment) showFederations(ctx context.Context, c *cluster, everywhere bool) (screen, error) {
	feds, err := c.federations(ctx, everywhere)
	if err != nil {
		return screen{}, err
	}
	text := status.RenderList(feds.Items, everywhere, e.now(), e.style())
	switch {
	case len(feds.Items) > 0:
	case everywhere:
		text = "There is no Federation in the cluster.\n"
	default:
		text = fmt.Sprintf("There is no Federation in namespace %s; -A looks in all.\n", c.namespace)
	}
	return screen{text: text, err: stateOf(feds.Items...)}, nil
}

// stateOf is how Federations are: an error unless all are Ready and Available, which is the worse of the two when somebody is kept out
// or that is not known.
func stateOf(feds ...v1alpha1.Federation) error {
	var state error
	for _, fed := range feds {
		switch conditions := fed.Status.Conditions; {
		case meta.FindStatusCondition(conditions, v1alpha1.ConditionAvailable) == nil &&
			meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady): // of an operator that knows no Available
		case !meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAvailable):
			return errFound
		case !meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady):
			state = errDegraded
		}
	}
	return state
}
