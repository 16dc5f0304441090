// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// newClient makes the client of the controllers. It reads from the cache, except for the content of Secrets and ConfigMaps, of which
// the cache has metadata only. The option DisableFor of controller-runtime would have it read their metadata from the API server, too.
func newClient(config *rest.Config, options client.Options) (client.Client, error) {
	cached, err := client.New(config, options)
	if err != nil {
		return nil, fmt.Errorf("making a client that reads from the cache: %w", err)
	}
	options.Cache = nil
	live, err := client.New(config, options)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return contentLive{cached, live}, nil
}

// contentLive reads the content of Secrets and ConfigMaps from the API server.
type contentLive struct {
	client.Client
	live client.Reader
}

func (c contentLive) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	switch obj.(type) {
	case *corev1.Secret, *corev1.ConfigMap:
		return c.live.Get(ctx, key, obj, opts...)
	default:
		return c.Client.Get(ctx, key, obj, opts...)
	}
}

func (c contentLive) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	switch list.(type) {
	case *corev1.SecretList, *corev1.ConfigMapList:
		return c.live.List(ctx, list, opts...)
	default:
		return c.Client.List(ctx, list, opts...)
	}
}
