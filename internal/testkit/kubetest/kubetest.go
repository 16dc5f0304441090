// SPDX-License-Identifier: Apache-2.0

// Package kubetest gives the tests of a package one real API server with etcd and this project's CRDs; see package
// cluster.
package kubetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/xmppfed/xmppfed/internal/testkit"
	"github.com/xmppfed/xmppfed/internal/testkit/cluster"
)

var (
	// dir holds the files of the API server of this test binary.
	dir string
	// running is that API server; nil before the first test asks for it.
	running *cluster.Cluster
)

// start starts the API server once.
var start = sync.OnceValues(func() (*rest.Config, error) {
	var err error
	if dir, err = os.MkdirTemp("", "kubetest"); err != nil {
		return nil, err
	}
	if running, err = cluster.Start(dir); err != nil {
		return nil, err
	}
	return running.Config, nil
})

// Run runs the tests of a package and then stops what they started. It belongs into TestMain.
func Run(m *testing.M) (code int) {
	defer func() {
		var err error
		if running != nil {
			err = running.Stop()
		}
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the API server:", err)
			code = 1
		}
	}()
	return m.Run()
}

// Config is the way to the API server.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	testkit.Require(t, os.Getenv(cluster.Assets) != "", "a Kubernetes API server (make test-envtest sets "+cluster.Assets+")")
	config, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// policyPatience bounds how long an API server may take until it acts on a policy.
const policyPatience = time.Minute

// operator gives the operator its rights once.
var operator = sync.OnceValues(func() (*rest.Config, error) {
	ctx, cancel := context.WithTimeout(context.Background(), policyPatience)
	defer cancel()
	return running.Operator(ctx)
})

// Operator is the way to the API server for the operator: with the rights of config/rbac and within the policies of config/policy.
func Operator(t testing.TB) *rest.Config {
	t.Helper()
	_ = Config(t)
	config, err := operator()
	if err != nil {
		t.Fatal(err)
	}
	return config
}
