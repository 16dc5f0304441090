// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"crypto/tls"

	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// metricsOptions returns how metrics are served. If they are secure, the API server is asked who has sent a request (TokenReview) and
// whether that user may get /metrics (SubjectAccessReview); it is asked again after minutes. The certificate is self-signed unless
// there is one in the directory k8s-metrics-server/serving-certs below that for temporary files.
func metricsOptions(options Options) server.Options {
	served := server.Options{BindAddress: options.MetricsAddress}
	if options.MetricsSecure {
		served.SecureServing = true
		served.FilterProvider = filters.WithAuthenticationAndAuthorization
		served.TLSOpts = []func(*tls.Config){withoutHTTP2}
	}
	return served
}

// withoutHTTP2 offers HTTP/1.1 only, in which a stranger can't begin and reset any number of requests on one connection
// (CVE-2023-44487).
func withoutHTTP2(config *tls.Config) { config.NextProtos = []string{"http/1.1"} }
