// SPDX-License-Identifier: Apache-2.0

//go:build e2e

// Package e2e tests the operator in the lab (hack/lab): a real cluster, BIND and Prosody. The tests run on the lab's
// node, each by itself and in any order: make e2e RUN=regexp. Each has a namespace of its own and domains below
// example.net, except where the reference scenario itself is the subject.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

const (
	// operatorNamespace is where the operator and its TSIG Secret are.
	operatorNamespace = "xmppfed-system"
	// zone in which the tests publish.
	zone = "example.net"
	// labelAllowed marks the namespaces that the tests' DNSZone allows.
	labelAllowed = "xmppfed.io/e2e"
)

var (
	idleTime = flag.Duration("idle", 5*time.Minute, "how long TestIdle watches")
	cluster  client.WithWatch
)

func TestMain(m *testing.M) {
	flag.Parse()
	ctrl.SetLogger(logr.Discard()) // of what starts API servers
	// How many run side by side, the needs of the tests say.
	err := flag.Set("test.parallel", "1000")
	code := 1
	if err == nil {
		code, err = run(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// run runs the tests with a DNSZone for example.net in place.
func run(m *testing.M) (int, error) {
	var err error
	if cluster, err = lab.NewClient(); err != nil {
		return 0, err
	}
	ctx := context.Background()
	key, err := os.ReadFile(lab.Dir + "/dns/keys/fed-key.secret")
	if err != nil {
		return 0, fmt.Errorf("reading the zone's key: %w", err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "e2e-tsig"},
		StringData: map[string]string{"secret": string(key)},
	}
	objects := []client.Object{secret, testZone("e2e", zone)}
	for _, object := range objects {
		if err := client.IgnoreAlreadyExists(cluster.Create(ctx, object)); err != nil {
			return 0, fmt.Errorf("creating %s: %w", object.GetName(), err)
		}
	}
	code := m.Run()
	for _, object := range objects {
		if err := client.IgnoreNotFound(cluster.Delete(ctx, object)); err != nil {
			return code, fmt.Errorf("deleting %s: %w", object.GetName(), err)
		}
	}
	return code, nil
}

func testZone(name, apex string) *v1alpha1.DNSZone {
	return &v1alpha1.DNSZone{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.DNSZoneSpec{
			Zone: v1alpha1.DomainName(apex),
			Provider: v1alpha1.DNSProvider{RFC2136: &v1alpha1.RFC2136Provider{
				Servers: []v1alpha1.ServerAddress{lab.Primary},
				TSIG: v1alpha1.TSIGKey{
					KeyName:   "fed-key",
					SecretRef: v1alpha1.SecretKey{SecretName: v1alpha1.SecretName{Name: "e2e-tsig"}, Key: "secret"},
				},
			}},
			Namespaces: &v1alpha1.AllowedNamespaces{
				From:     v1alpha1.NamespacesSelector,
				Selector: &v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{labelAllowed: "true"}},
			},
			// The tests delete more Federations than a brake lets go.
			Brake: v1alpha1.RemovalBrake{Percent: 100},
		},
	}
}
