// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/xmppfed/xmppfed/internal/cli/text"
)

// environment is what the verbs share: where they write, the time, and the way to the cluster.
type environment struct {
	genericiooptions.IOStreams
	flags  *genericclioptions.ConfigFlags
	now    func() time.Time
	getenv func(string) string
}

// completer is the name under which kubectl calls a plugin for completions.
const completer = "kubectl_complete-xmppfed"

// Args are the arguments of a command line without the program. Called as kubectl's completer, which is a link to the
// program, it completes.
func Args(line []string) []string {
	if strings.TrimSuffix(filepath.Base(line[0]), ".exe") == completer {
		return append([]string{cobra.ShellCompRequestCmd}, line[1:]...)
	}
	return line[1:]
}

// Run carries out a command line and returns its exit code.
func Run(ctx context.Context, args []string, streams genericiooptions.IOStreams) int {
	// What libraries log would stand amid what is shown; errors reach the user as errors.
	klog.SetLogger(logr.Discard())
	log.SetLogger(logr.Discard())
	cmd := Command(streams)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	code := exitCode(err)
	if code == ExitUndone {
		fmt.Fprintln(streams.ErrOut, "error:", err)
	}
	return code
}

// Command is the whole command line.
func Command(streams genericiooptions.IOStreams) *cobra.Command {
	env := &environment{
		IOStreams: streams, flags: genericclioptions.NewConfigFlags(true), now: time.Now, getenv: os.Getenv,
	}
	cmd := &cobra.Command{
		Use:   "kubectl-xmppfed",
		Short: "See, check and plan the federation of XMPP domains",
		Long: "See, check and plan the federation of XMPP domains.\n\n" +
			"Every verb ends with 0 when all is well, 1 when it found something wrong and printed it,\n" +
			"and 2 when it could not do its work. status ends with 3 when something is wrong that keeps nobody out.",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl xmppfed"},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetIn(streams.In)
	cmd.SetOut(streams.Out)
	cmd.SetErr(streams.ErrOut)
	addClusterFlags(cmd, env.flags)
	cmd.SetUsageTemplate(strings.ReplaceAll(cmd.UsageTemplate(), ".FlagUsages ", ".FlagUsagesWrapped 80 "))
	cmd.AddCommand(newDoctor(env), newPlan(env), newRecords(env), newStatus(env))
	return cmd
}

// usual are the flags for reaching the cluster that help lists; the others work as they do with kubectl.
var usual = map[string]bool{"kubeconfig": true, "context": true, "namespace": true, "as": true}

func addClusterFlags(cmd *cobra.Command, flags *genericclioptions.ConfigFlags) {
	persistent := cmd.PersistentFlags()
	flags.AddFlags(persistent)
	persistent.VisitAll(hideUnless(usual))
}

// style is how to write to standard output.
func (e *environment) style() text.Style { return text.StyleFor(e.Out, e.getenv) }
