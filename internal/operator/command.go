// SPDX-License-Identifier: Apache-2.0

// Package operator puts the operator together: flags, caches, controllers.
package operator

import (
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Options are the operator's flags.
type Options struct {
	// MetricsAddress is where metrics are served; "0" for nowhere.
	MetricsAddress string
	// MetricsSecure serves metrics by TLS, and only to those whom the API server lets get /metrics. Without it everybody who reaches
	// the address gets them.
	MetricsSecure bool
	// ProbeAddress is where /healthz and /readyz are served.
	ProbeAddress string
	// LeaderElect lets only one of several operators work.
	LeaderElect bool
	// Namespace that the operator runs in: its lease, its keys, TSIG Secrets.
	Namespace string
	// Identity in leader election. That of a pod outlives a crash of its container, so that the container that follows
	// goes on at once instead of waiting for the lease to end.
	Identity string
	// WatchNamespaces restricts the operator to Federations in these namespaces; empty for all.
	WatchNamespaces []string
	// ProsodyImage is the image of Prosody unless a Federation names another.
	ProsodyImage string
	// DisclosedNetworks are networks in CIDR form of which Federations are told why connections fail, though they are not public.
	DisclosedNetworks []string
	// LogLevel is debug, info, warn or error.
	LogLevel string
}

// Command is the operator's command line.
func Command() *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:           "xmppfed-operator",
		Short:         "Make XMPP domains federate, and keep proving that they do",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := setLogger(options.LogLevel); err != nil {
				return err
			}
			return Run(cmd.Context(), ctrl.GetConfigOrDie(), options)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.MetricsAddress, "metrics-bind-address", ":8443", `address to serve metrics at; "0" for none`)
	flags.BoolVar(&options.MetricsSecure, "metrics-secure", true,
		"serve metrics by TLS, and only to those whom the API server lets get /metrics")
	flags.StringVar(&options.ProbeAddress, "health-probe-bind-address", ":8081", "address to serve /healthz and /readyz at")
	flags.BoolVar(&options.LeaderElect, "leader-elect", false, "let only one of several operators work")
	flags.StringVar(&options.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace that the operator runs in")
	flags.StringVar(&options.Identity, "identity", os.Getenv("POD_NAME"), "name in leader election")
	flags.StringSliceVar(&options.WatchNamespaces, "watch-namespaces", nil,
		"namespaces whose Federations to work on; none for all")
	flags.StringVar(&options.ProsodyImage, "prosody-image", "docker.io/prosodyim/prosody:13.0",
		"image of Prosody unless a Federation names another")
	flags.StringSliceVar(&options.DisclosedNetworks, "disclosed-networks", nil,
		"networks that are not public, in CIDR form, of which Federations are told why connections fail; of others only that they do")
	flags.StringVar(&options.LogLevel, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func setLogger(name string) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return err
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	return nil
}
