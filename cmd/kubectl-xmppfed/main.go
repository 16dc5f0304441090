// SPDX-License-Identifier: Apache-2.0

// Command kubectl-xmppfed is a kubectl plugin, which also runs by itself: it shows what a Federation does, prints its
// DNS records, and tells what a manifest would change.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/xmppfed/xmppfed/internal/cli"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Run(ctx, cli.Args(os.Args), genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr})
}
