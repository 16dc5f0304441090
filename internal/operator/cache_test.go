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
	options, err := cacheOptions([]string{"chat", "talk"})
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(options.DefaultNamespaces)); !slices.Equal(got, []string{"chat", "talk"}) {
		t.Errorf("objects are watched in %v", got)
	}
	watched := labels.Nothing()
	for kind, only := range options.ByObject {
		if _, ok := kind.(*corev1.Namespace); ok {
			watched = only.Label
		}
	}
	for name, want := range map[string]bool{"chat": true, "talk": true, "other": false} {
		if got := watched.Matches(labels.Set{corev1.LabelMetadataName: name}); got != want {
			t.Errorf("namespace %s is watched: %v", name, got)
		}
	}
}

func TestANamespaceThatCanNotExistIsRefused(t *testing.T) {
	_, err := cacheOptions([]string{"chat talk"})
	if err == nil || !strings.Contains(err.Error(), "--watch-namespaces") || !strings.Contains(err.Error(), "chat talk") {
		t.Errorf("got %v", err)
	}
}
