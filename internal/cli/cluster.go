// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

var errNotInstalled = errors.New("the cluster does not know Federations; the cluster's administrator has to install xmppfed")

// cluster is the way to the cluster that the flags and the kubeconfig name.
type cluster struct {
	client.WithWatch
	config *rest.Config
	// namespace to work in unless told otherwise.
	namespace string
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

// cluster connects. An error means that none is configured or that none answers.
func (e *environment) cluster() (*cluster, error) { return e.clusterWithin(0) }

// clusterWithin connects for requests that may each take no longer than the given time; 0: as long as the flags say.
func (e *environment) clusterWithin(timeout time.Duration) (*cluster, error) {
	loader := e.flags.ToRawKubeConfigLoader()
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	config, err := e.flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w; set --kubeconfig or --context", err)
	}
	config.WarningHandler = rest.NoWarnings{}
	if timeout > 0 {
		config.Timeout = timeout
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return &cluster{WithWatch: c, config: config, namespace: namespace}, nil
}

// federation reads a Federation of the namespace.
func (c *cluster) federation(ctx context.Context, name string) (*v1alpha1.Federation, error) {
	fed := &v1alpha1.Federation{}
	err := c.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, fed)
	switch {
	case meta.IsNoMatchError(err):
		return nil, errNotInstalled
	case err != nil:
		return nil, fmt.Errorf("reading Federation %s/%s: %w", c.namespace, name, err)
	}
	return fed, nil
}

// federations lists those of the namespace, or of all.
func (c *cluster) federations(ctx context.Context, everywhere bool) (v1alpha1.FederationList, error) {
	var feds v1alpha1.FederationList
	switch err := c.List(ctx, &feds, inNamespace(c, everywhere)); {
	case meta.IsNoMatchError(err):
		return feds, errNotInstalled
	case err != nil:
		return feds, fmt.Errorf("listing Federations: %w", err)
	}
	return feds, nil
}

// inNamespace limits a list to the namespace to work in.
func inNamespace(c *cluster, everywhere bool) client.InNamespace {
	if everywhere {
		return ""
	}
	return client.InNamespace(c.namespace)
}
