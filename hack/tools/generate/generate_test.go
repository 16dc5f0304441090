// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Errorf("%v; run make generate", err)
			continue
		}
		if diff := cmp.Diff(string(got), want); diff != "" {
			t.Errorf("%s is out of date, run make generate (-is +should be):\n%s", name, diff)
		}
	}
}

func TestEveryTemplateOfACRDBelongsToACRD(t *testing.T) {
	files, err := chartCRDs(root)
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(root, templates, "crds", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(files) {
		t.Errorf("%d files in %s/crds for %d CRDs; remove those whose CRD is gone: %v", len(found), templates, len(files), found)
	}
}

func TestTextThatHelmWouldRunIsRefused(t *testing.T) {
	if _, err := crdTemplate("metadata:\n  annotations:\n    x: y\ndescription: '{{ .Values }}'\n"); err == nil {
		t.Error("a CRD with {{ in it became a template")
	}
}
