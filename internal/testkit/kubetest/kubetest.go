// SPDX-License-Identifier: Apache-2.0

// Package kubetest gives the tests of a package one real API server with etcd and this project's CRDs: admission,
// defaults, server-side apply and conflicts are the real ones. No controller, scheduler or kubelet runs.
package kubetest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/xmppfed/xmppfed/internal/testkit"
)

// assets is the variable that names the directory with etcd and kube-apiserver.
const assets = "KUBEBUILDER_ASSETS"

// environment of this test binary; started when the first test asks for it.
var environment = envtest.Environment{ErrorIfCRDPathMissing: true}

// start starts the environment once.
var start = sync.OnceValues(func() (*rest.Config, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	environment.CRDDirectoryPaths = []string{filepath.Join(root, "config/crd/bases")}
	config, err := environment.Start()
	if err != nil {
		return nil, fmt.Errorf("starting the API server: %w", err)
	}
	config.QPS = -1
	return config, nil
})

// Run runs the tests of a package and then stops what they started. It belongs into TestMain.
func Run(m *testing.M) (code int) {
	defer func() {
		if environment.Config == nil {
			return
		}
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the API server:", err)
			code = 1
		}
	}()
	return m.Run()
}

// Config is the way to the API server.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	testkit.Require(t, os.Getenv(assets) != "", "a Kubernetes API server (make test-envtest sets "+assets+")")
	config, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// moduleRoot is the nearest directory upwards that has a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("finding the module's root from %s: no go.mod", dir)
		}
		dir = parent
	}
}
