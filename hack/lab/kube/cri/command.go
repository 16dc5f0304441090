// SPDX-License-Identifier: Apache-2.0

// Package cri ends pods without a kubelet, so that the lab can be taken down whatever state it is in.
package cri

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// NewCommand returns the program lab-cri.
func NewCommand() *cobra.Command {
	var socket string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "lab-cri",
		Short: "stops and removes every pod of a container runtime",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return removePods(ctx, socket)
		},
		SilenceUsage: true,
	}
	cmd.Flags().StringVar(&socket, "socket", "", "unix socket of the container runtime")
	cmd.Flags().DurationVar(&timeout, "timeout", 20*time.Second, "when to give up")
	return cmd
}

// removePods removes all pods at the same time: each takes its containers with it, killed at once,
// since a pod without kubelet has no grace period.
func removePods(ctx context.Context, socket string) error {
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connecting to the container runtime: %w", err)
	}
	defer func() { _ = conn.Close() }()
	client := runtime.NewRuntimeServiceClient(conn)
	pods, err := client.ListPodSandbox(ctx, &runtime.ListPodSandboxRequest{})
	if err != nil {
		return fmt.Errorf("listing pods: %w", err)
	}
	errs := make([]error, len(pods.Items))
	var wg sync.WaitGroup
	for i, pod := range pods.Items {
		wg.Go(func() {
			if _, err := client.StopPodSandbox(ctx, &runtime.StopPodSandboxRequest{PodSandboxId: pod.Id}); err != nil {
				errs[i] = fmt.Errorf("stopping pod %s: %w", pod.Metadata.Name, err)
				return
			}
			if _, err := client.RemovePodSandbox(ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: pod.Id}); err != nil {
				errs[i] = fmt.Errorf("removing pod %s: %w", pod.Metadata.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
