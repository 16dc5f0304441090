// SPDX-License-Identifier: Apache-2.0

// Package cloud is the lab's cloud: public addresses for Services of type LoadBalancer, and volumes.
// The service controller in front of it is the one of k8s.io/cloud-provider, as on any real cloud.
package cloud

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/cloud-provider/controllers/service"
	"k8s.io/component-base/metrics/prometheus/controllers"
	"k8s.io/klog/v2"
)

// options of the program lab-cloud.
type options struct {
	kubeconfig string   // credentials for the API server
	pools      []string // addresses to give out, first-last; one range for each IP family
	state      string   // files that remember who holds which address, without their ends
	socket     string   // unix socket on which the lab asks for another address
	volumes    string   // directory that holds the volumes
}

// NewCommand returns the program lab-cloud.
func NewCommand() *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use:   "lab-cloud",
		Short: "gives LoadBalancer Services addresses and claims volumes",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return run(ctx, o)
		},
		SilenceUsage: true,
	}
	cmd.Flags().StringVar(&o.kubeconfig, "kubeconfig", "", "credentials for the API server")
	cmd.Flags().StringArrayVar(&o.pools, "pool", nil, "addresses to give out, FIRST-LAST; once for each IP family")
	cmd.Flags().StringVar(&o.state, "state", "", "where to remember who holds which address: STATE.IPv4, STATE.IPv6")
	cmd.Flags().StringVar(&o.socket, "socket", "", "unix socket that takes requests for another address")
	cmd.Flags().StringVar(&o.volumes, "volumes", "", "directory that holds the volumes")
	return cmd
}

func run(ctx context.Context, o options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading kubeconfig %s: %w", o.kubeconfig, err)
	}
	config.UserAgent = "lab-cloud"
	config.QPS, config.Burst = 500, 500 // benchmarks create thousands of Services
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	pools, err := openPools(o.pools, o.state)
	if err != nil {
		return err
	}
	provider := &provider{pools: pools}
	factory := informers.NewSharedInformerFactory(client, 0)
	balancers, err := service.New(provider, client, factory.Core().V1().Services(), factory.Core().V1().Nodes(),
		"lab", utilfeature.DefaultFeatureGate)
	if err != nil {
		return fmt.Errorf("making the service controller: %w", err)
	}
	volumes := newProvisioner(client, factory, o.volumes)
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("waiting for the cache of %s: %w", kind, ctx.Err())
		}
	}
	go balancers.Run(ctx, 8, controllers.NewControllerManagerMetrics("lab-cloud"))
	go volumes.run(ctx, 5*time.Second)
	klog.InfoS("cloud is up", "pools", o.pools)
	return serve(ctx, o.socket, &readdresser{pools: pools, client: client})
}
