// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFilesOfKustomizeAreNoManifests(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.yaml", "b.json", "kustomization.yaml", "kustomization.yml", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filesOf(dir)
	if want := []string{filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.json")}; err != nil || !slices.Equal(files, want) {
		t.Errorf("got %q and %v, want %q", files, err, want)
	}
}
