//go:build envtest

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Run(m)) }

func TestEverySampleIsAdmitted(t *testing.T) {
	c, err := client.New(kubetest.Config(t), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// Strict validation refuses fields that do not exist instead of dropping them.
	c = client.WithFieldValidation(c, metav1.FieldValidationStrict)
	paths, err := filepath.Glob(filepath.Join(root, "config/samples/*.yaml"))
	if err != nil || len(paths) < 3 {
		t.Fatalf("samples found: %v (%v)", paths, err)
	}
	for _, path := range paths {
		if filepath.Base(path) == "kustomization.yaml" {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var sample unstructured.Unstructured
		if err := yaml.Unmarshal(data, &sample.Object); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if namespace := sample.GetNamespace(); namespace != "" {
			made := corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
			if err := c.Create(t.Context(), &made); err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatal(err)
			}
		}
		// Several samples are ways to do the same, so they have the same name.
		if err := c.Create(t.Context(), &sample, client.DryRunAll); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
