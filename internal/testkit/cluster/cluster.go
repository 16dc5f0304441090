// SPDX-License-Identifier: Apache-2.0

// Package cluster starts Kubernetes API servers with etcd and this project's CRDs, as many as a test or a measurement
// needs, and the operator as a process of its own that works against one of them. Admission, defaults, server-side apply
// and conflicts are the real ones. No controller, scheduler or kubelet runs: a Service gets no address and a StatefulSet
// no pods, but records are published nevertheless where a Federation has spec.exposure.publicAddresses.
//
// It knows nothing of package testing, so that measurements use it as well.
package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Assets is the environment variable that names the directory with etcd and kube-apiserver.
const Assets = "KUBEBUILDER_ASSETS"

// Cluster is an API server with its etcd.
type Cluster struct {
	// Config is the administrator's way to it, without limits.
	Config *rest.Config
	// Client is the administrator's; it knows this project's kinds.
	Client client.WithWatch
	// Kubeconfig is the path of the administrator's credentials, for processes.
	Kubeconfig string

	dir         string
	environment envtest.Environment
}

// Start starts a cluster. It keeps its files in dir, which must exist and outlive it. It must run inside the checkout.
func Start(dir string) (*Cluster, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	c.environment.CRDDirectoryPaths = []string{filepath.Join(root, "config/crd/bases")}
	c.environment.ErrorIfCRDPathMissing = true
	// By default there are addresses for 254 Services, and ports for 2,768 of type LoadBalancer. Of its own it advertises the
	// address of the default route, and does not start where there is none; nobody goes to what it advertises.
	c.environment.ControlPlane.GetAPIServer().Configure().
		Set("advertise-address", "198.51.100.1").
		Set("service-cluster-ip-range", "10.64.0.0/12").
		Set("service-node-port-range", "10000-60000")
	if c.Config, err = c.environment.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting an API server: %w", err), c.environment.Stop())
	}
	c.Config.QPS = -1
	if err := c.connect(); err != nil {
		return nil, errors.Join(err, c.environment.Stop())
	}
	return c, nil
}

func (c *Cluster) connect() error {
	scheme := runtime.NewScheme()
	err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
	if err != nil {
		return fmt.Errorf("registering kinds: %w", err)
	}
	if c.Client, err = client.NewWithWatch(c.Config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if err := os.WriteFile(c.Kubeconfig, c.environment.KubeConfig, 0o600); err != nil {
		return fmt.Errorf("writing the administrator's credentials: %w", err)
	}
	return nil
}

// Stop ends it. What runs against it should have been stopped before.
func (c *Cluster) Stop() error {
	if err := c.environment.Stop(); err != nil {
		return fmt.Errorf("stopping an API server: %w", err)
	}
	return nil
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
