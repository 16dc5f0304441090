// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/xmppfed/xmppfed/internal/cli/records"
)

func newRecords(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "records FEDERATION",
		Short: "Print the DNS records of a Federation, ready to paste at a DNS host",
		Long: "Print the DNS records of a Federation, ready to paste at a DNS host.\n\n" +
			"The state is Published when every authoritative name server serves the record, Pending while one does not,\n" +
			"Unknown while the operator has not looked, Leftover when the record is no longer wanted and has to go, and HandedOver\n" +
			"when it goes to another Federation, as spec.dns.transferTo says.",
		Example: "  kubectl xmppfed records cup -n chat\n" +
			"  kubectl xmppfed records cup -n chat -o table",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: env.completeFederations,
	}
	format := addOutput(cmd, "bind", "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cluster, err := env.cluster()
		if err != nil {
			return err
		}
		fed, err := cluster.federation(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		list := records.Of(fed)
		switch format.value {
		case "json":
			return printJSON(env.Out, list)
		case "table":
			fmt.Fprint(env.Out, records.Table(list, env.style()))
		default:
			fmt.Fprint(env.Out, records.Bind(list))
		}
		return nil
	}
	return cmd
}
