// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// forward makes a port of a pod reachable at a loopback address of this machine, until the context ends.
func (c *cluster) forward(ctx context.Context, pod *corev1.Pod, port int32) (address string, err error) {
	dialer, err := c.forwardDialer(pod)
	if err != nil {
		return "", err
	}
	ready, failed := make(chan struct{}), make(chan error, 1)
	ports := []string{":" + strconv.Itoa(int(port))}
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(
		ctx, dialer, []string{"127.0.0.1"}, ports, ready, io.Discard, io.Discard)
	if err != nil {
		return "", err
	}
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case err := <-failed:
		return "", err
	case <-ctx.Done():
		return "", ctx.Err()
	case <-ready:
	}
	forwarded, err := forwarder.GetPorts()
	if err != nil {
		return "", err
	}
	return "127.0.0.1:" + strconv.Itoa(int(forwarded[0].Local)), nil
}

// forwardDialer tunnels through a WebSocket, as kubectl does, or through SPDY where a proxy doesn't take those.
func (c *cluster) forwardDialer(pod *corev1.Pod) (httpstream.Dialer, error) {
	clients, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	url := clients.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).
		SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreaming(url, c.config)
	if err != nil {
		return nil, err
	}
	plain := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	return portforward.NewFallbackDialerForStreaming(tunnel, plain, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}
