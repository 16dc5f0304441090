// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
)

// metricsServer serves metrics. It stands in for that of controller-runtime, which takes headers of 1 MiB on any number of connections
// from everybody. If metrics are secure, the API server is asked who has sent a request (TokenReview) and whether that user may get
// /metrics (SubjectAccessReview); it is asked again after minutes.
func metricsServer(ctx context.Context, options Options, config *rest.Config, client *http.Client) (manager.Runnable, error) {
	handler := promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
	if options.MetricsSecure {
		filter, err := filters.WithAuthenticationAndAuthorization(config, client)
		if err != nil {
			return nil, fmt.Errorf("finding out who may get metrics: %w", err)
		}
		if handler, err = filter(ctrl.Log.WithName("metrics"), handler); err != nil {
			return nil, fmt.Errorf("finding out who may get metrics: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", handler)
	plain, err := (&net.ListenConfig{}).Listen(ctx, "tcp", options.MetricsAddress)
	if err != nil {
		return nil, fmt.Errorf("listening for scrapes of metrics: %w", err)
	}
	var listener net.Listener = &boundedListener{Listener: plain}
	if options.MetricsSecure {
		encryption, err := metricsTLS(ctx, filepath.Join(os.TempDir(), "k8s-metrics-server", "serving-certs"))
		if err != nil {
			_ = plain.Close() // the program ends
			return nil, err
		}
		listener = tls.NewListener(listener, encryption)
	}
	return &manager.Server{
		Name: "metrics", Server: newServer(mux, maxTokenHeader), Listener: listener, ShutdownTimeout: ptr.To(10 * time.Second),
	}, nil
}

// metricsTLS uses the certificate in a directory, also when it changes, or else one that is self-signed. It offers HTTP/1.1 only, in
// which a stranger can't begin and reset any number of requests on one connection (CVE-2023-44487).
func metricsTLS(ctx context.Context, directory string) (*tls.Config, error) {
	config := &tls.Config{NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	cert, key := filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key")
	if exists(cert) && exists(key) {
		watcher, err := certwatcher.New(cert, key)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate for metrics in %s: %w", directory, err)
		}
		go func() {
			if err := watcher.Start(ctx); err != nil {
				log.Error(err, "watching the certificate for metrics", "directory", directory)
			}
		}()
		config.GetCertificate = watcher.GetCertificate
		return config, nil
	}
	certPEM, keyPEM, err := certutil.GenerateSelfSignedCertKeyWithFixtures("localhost", []net.IP{{127, 0, 0, 1}}, nil, "")
	if err != nil {
		return nil, fmt.Errorf("making a certificate for metrics: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("making a certificate for metrics: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !os.IsNotExist(err)
}
