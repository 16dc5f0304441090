// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package operator

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// serveMetrics serves metrics with the operator's rights and returns their address.
func serveMetrics(t *testing.T, secure bool) string {
	t.Helper()
	g := gomega.NewWithT(t)
	address := fmt.Sprintf("127.0.0.1:%d", dnstest.FreePort(t, "127.0.0.1"))
	own := kubetest.Operator(t)
	transport, err := rest.HTTPClientFor(own)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	ctx, stop := context.WithCancel(context.Background())
	metrics, err := metricsServer(ctx, Options{MetricsAddress: address, MetricsSecure: secure}, own, transport)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- metrics.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		g.Expect(<-ended).NotTo(gomega.HaveOccurred())
	})
	return address
}

// scrape asks for metrics with a token, if any, and returns the status code and the answer, when there is one.
func scrape(t *testing.T, url, token string) (int, string) {
	t.Helper()
	g := gomega.NewWithT(t)
	transport := &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true}
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // made anew at each start, so no client can know it
	var answer *http.Response
	g.Eventually(func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err = (&http.Client{Transport: transport}).Do(request)
		return err
	}, "10s", "20ms").Should(gomega.Succeed())
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(answer.ProtoMajor).To(gomega.Equal(1))
	return answer.StatusCode, string(body)
}

// tokenOf makes a ServiceAccount and returns a token of it.
func tokenOf(t *testing.T, api client.Client, name string) string {
	t.Helper()
	g := gomega.NewWithT(t)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name}}
	g.Expect(api.Create(t.Context(), account)).To(gomega.Succeed())
	request := &authenticationv1.TokenRequest{}
	g.Expect(api.SubResource("token").Create(t.Context(), account, request)).To(gomega.Succeed())
	return request.Status.Token
}

func TestMetrics_OnlyWhoMayReadThemGetsThem(t *testing.T) {
	g := gomega.NewWithT(t)
	api, err := client.New(kubetest.Config(t), client.Options{})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	url := "https://" + serveMetrics(t, true) + "/metrics"
	prometheus, stranger := tokenOf(t, api, "prometheus"), tokenOf(t, api, "stranger")
	g.Expect(api.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "prometheus"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "xmppfed-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceDefault, Name: "prometheus"}},
	})).To(gomega.Succeed())

	for name, test := range map[string]struct {
		token string
		code  int
	}{
		"nobody":             {"", http.StatusUnauthorized},
		"a token of nobody":  {"made-up", http.StatusInternalServerError}, // so controller-runtime answers
		"a user of no right": {stranger, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := scrape(t, url, test.token)
			if code != test.code || strings.Contains(body, "go_goroutines") {
				t.Errorf("got %d and %q, want %d", code, body, test.code)
			}
		})
	}
	code, body := scrape(t, url, prometheus)
	g.Expect(code).To(gomega.Equal(http.StatusOK), body)
	g.Expect(body).To(gomega.ContainSubstring("go_goroutines"))
}

func TestMetrics_WithoutSecurityEverybodyGetsThem(t *testing.T) {
	code, body := scrape(t, "http://"+serveMetrics(t, false)+"/metrics", "")
	if code != http.StatusOK || !strings.Contains(body, "go_goroutines") {
		t.Errorf("got %d and %q", code, body)
	}
}
