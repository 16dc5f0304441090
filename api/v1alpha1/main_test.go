// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package v1alpha1_test

import (
	"os"
	"testing"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Run(m)) }

// newClient talks to a real API server, which has the CRDs of config/crd.
func newClient(t *testing.T) client.Client {
	t.Helper()
	g := gomega.NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(v1alpha1.AddToScheme(scheme)).To(gomega.Succeed())
	// A test that provokes warnings doesn't need to log them.
	config := rest.CopyConfig(kubetest.Config(t))
	config.WarningHandler = rest.NoWarnings{}
	c, err := client.New(config, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	return c
}

// object is a manifest: the smallest valid one of its kind, with the members of spec replaced by the given ones.
func object(t *testing.T, kind, spec string) *unstructured.Unstructured {
	t.Helper()
	g := gomega.NewWithT(t)
	smallest := map[string]string{
		"Federation": `{domains: [cupdomain.com]}`,
		"DNSZone": `
zone: cupdomain.com
provider:
  rfc2136:
    servers: ["203.0.113.53:53"]
    tsig: {keyName: fed-key, secretRef: {name: fed-tsig, key: secret}}`,
	}
	members, changed := map[string]any{}, map[string]any{}
	g.Expect(yaml.Unmarshal([]byte(smallest[kind]), &members)).To(gomega.Succeed())
	g.Expect(yaml.Unmarshal([]byte(spec), &changed)).To(gomega.Succeed())
	for name, value := range changed {
		members[name] = value
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": members}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	u.SetName("cup")
	if kind == "Federation" {
		u.SetNamespace("default")
	}
	return u
}
