// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"k8s.io/client-go/discovery"
)

// describe what was compared, and on what.
func (b *bench) describe(o options) error {
	b.Machine = fmt.Sprintf("%d cores of %s, load %s at the end", runtime.NumCPU(), processor(), load())
	client, err := discovery.NewDiscoveryClientForConfig(b.m.Config)
	if err != nil {
		return err
	}
	kubernetes, err := client.ServerVersion()
	if err != nil {
		return fmt.Errorf("asking the API server for its version: %w", err)
	}
	b.Versions = map[string]string{"ExternalDNS": o.version, "BIND": b.m.named.Version, "Kubernetes": kubernetes.GitVersion}
	for _, name := range []string{"E1", "E2", "E3", "X1"} {
		b.Arms = append(b.Arms, b.arms[name])
	}
	b.CommonFlags = slices.DeleteFunc(externalDNSFlags("", newSet("e", b.many, 0)), func(flag string) bool {
		return strings.HasPrefix(flag, "--kubeconfig=")
	})
	return nil
}

// processor is the model, as proc(5) tells it.
func processor() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.SplitSeq(string(data), "\n") {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// load is the average of the last minute, by which readers see whether the machine had other things to do.
func load() string {
	data, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(data), " ")
	return first
}
