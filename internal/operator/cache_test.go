// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func TestOtherNamespacesAreNotWatched(t *testing.T) {
	options, err := cacheOptions([]string{"chat", "talk"}, "xmppfed-system")
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(options.DefaultNamespaces)); !slices.Equal(got, []string{"chat", "talk"}) {
		t.Errorf("objects are watched in %v", got)
	}
	watched, secrets := labels.Nothing(), []string(nil)
	for kind, only := range options.ByObject {
		switch kind.(type) {
		case *corev1.Namespace:
			watched = only.Label
		case *corev1.Secret:
			secrets = slices.Sorted(maps.Keys(only.Namespaces))
		}
	}
	if !slices.Equal(secrets, []string{"chat", "talk", "xmppfed-system"}) {
		t.Errorf("secrets are watched in %v, want those of DNSZones as well", secrets)
	}
	for name, want := range map[string]bool{"chat": true, "talk": true, "other": false} {
		if got := watched.Matches(labels.Set{corev1.LabelMetadataName: name}); got != want {
			t.Errorf("namespace %s is watched: %v", name, got)
		}
	}
}

func TestANamespaceThatCanNotExistIsRefused(t *testing.T) {
	_, err := cacheOptions([]string{"chat talk"}, "xmppfed-system")
	if err == nil || !strings.Contains(err.Error(), "--watch-namespaces") || !strings.Contains(err.Error(), "chat talk") {
		t.Errorf("got %v", err)
	}
}
