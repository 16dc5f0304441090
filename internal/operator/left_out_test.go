// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package operator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// without is an API server that forbids everything in a namespace.
type without struct {
	http.RoundTripper
	namespace string
	lifted    *atomic.Bool
}

func (w without) RoundTrip(request *http.Request) (*http.Response, error) {
	if w.lifted.Load() || !strings.Contains(request.URL.Path, "/namespaces/"+w.namespace+"/") {
		return w.RoundTripper.RoundTrip(request)
	}
	text := `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no right there"}`
	return &http.Response{
		StatusCode: http.StatusForbidden, Body: io.NopCloser(strings.NewReader(text)), Request: request,
		Header: http.Header{"Content-Type": {"application/json"}},
	}, nil
}

func TestANamespaceWithoutRightsDoesNotStopTheOthers(t *testing.T) {
	g := gomega.NewWithT(t)
	own, lifted := kubetest.Operator(t), &atomic.Bool{}
	own.Wrap(func(next http.RoundTripper) http.RoundTripper { return without{next, "revoked", lifted} })
	scheme, err := Scheme()
	g.Expect(err).NotTo(gomega.HaveOccurred())
	api, err := client.New(kubetest.Config(t), client.Options{Scheme: scheme})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}})).To(gomega.Succeed())
	fed := &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kept", Name: "cup"},
		Spec:       v1alpha1.FederationSpec{Domains: []v1alpha1.DomainName{"kept.example"}},
	}
	g.Expect(api.Create(t.Context(), fed)).To(gomega.Succeed())

	t.Cleanup(func() {
		g.Expect(api.Patch(context.Background(), fed, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(
			gomega.Succeed())
		g.Expect(api.Delete(context.Background(), fed)).To(gomega.Succeed())
	})
	// It worked before: without the key it would have to know that there is no Federation with records in any of the namespaces.
	key := client.ObjectKey{Namespace: operatorNamespace, Name: ownershipSecret}
	data := map[string][]byte{ownershipKey: []byte(strings.Repeat("k", 32))}
	secret := newOwnershipSecret(key, data)
	g.Expect(api.Create(t.Context(), secret)).To(gomega.Succeed())
	defer func() { g.Expect(api.Delete(context.Background(), secret)).To(gomega.Succeed()) }()

	address := fmt.Sprintf("127.0.0.1:%d", dnstest.FreePort(t, "127.0.0.1"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, own, Options{
			Namespace: operatorNamespace, MetricsAddress: "0", ProbeAddress: address, LeaderElect: true, Identity: "test",
			ProsodyImage: "registry.example/prosody:13.0", WatchNamespaces: []string{"kept", "revoked"},
		})
	}()
	g.Eventually(func() int {
		_ = api.Get(t.Context(), client.ObjectKeyFromObject(fed), fed)
		return len(fed.Status.Conditions)
	}, "30s", "100ms").ShouldNot(gomega.BeZero(), "the Federation in the other namespace is served")
	g.Eventually(func() string {
		answer, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return err.Error()
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.Status + " " + string(body)
	}, "10s", "100ms").Should(gomega.And(gomega.HavePrefix("200"), gomega.ContainSubstring("namespace revoked")))

	lifted.Store(true)
	g.Eventually(ended, 2*keepInterval).Should(gomega.Receive(gomega.MatchError(gomega.ContainSubstring("revoked"))))
}
