// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// operatorUser is the user name of the ServiceAccount of config/rbac.
const operatorUser = "system:serviceaccount:" + Namespace + ":xmppfed-operator"

// rights are the directories with what the operator may do, and may not.
var rights = []string{"config/rbac", "config/policy"}

// Operator gives the operator's ServiceAccount the rights of config/rbac, binds it to the policies of config/policy, and returns the
// operator's way to the API server when both hold.
func (c *Cluster) Operator(ctx context.Context) (*rest.Config, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}
	if err := client.IgnoreAlreadyExists(c.Client.Create(ctx, namespace)); err != nil {
		return nil, fmt.Errorf("creating namespace %s: %w", Namespace, err)
	}
	for _, dir := range rights {
		if err := c.createAll(ctx, filepath.Join(root, dir)); err != nil {
			return nil, err
		}
	}
	config := rest.CopyConfig(c.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: operatorUser,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + Namespace, "system:authenticated"},
	}
	return config, c.awaitPolicies(ctx, config)
}

// createAll makes the objects of the manifests in a directory.
func (c *Cluster) createAll(ctx context.Context, dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return fmt.Errorf("finding manifests in %s: %w", dir, err)
	}
	if len(paths) == 0 {
		return fmt.Errorf("finding manifests in %s: there are none", dir)
	}
	for _, path := range paths {
		if filepath.Base(path) == "kustomization.yaml" {
			continue
		}
		if err := c.create(ctx, path); err != nil {
			return fmt.Errorf("creating what %s holds: %w", path, err)
		}
	}
	return nil
}

// create makes the objects of a file.
func (c *Cluster) create(ctx context.Context, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), len(data))
	for {
		object := &unstructured.Unstructured{}
		if err := documents.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := client.IgnoreAlreadyExists(c.Client.Create(ctx, object)); err != nil {
			return err
		}
	}
}

// awaitPolicies waits until each policy refuses something that RBAC lets pass.
func (c *Cluster) awaitPolicies(ctx context.Context, config *rest.Config) error {
	operator, err := client.New(config, client.Options{Scheme: c.Client.Scheme()})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	foreign := metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "foreign"}
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for _, object := range []client.Object{
		&corev1.ConfigMap{ObjectMeta: foreign},
		&eventsv1.Event{ObjectMeta: foreign, EventTime: metav1.NowMicro(), Type: corev1.EventTypeNormal, Reason: "Foreign", Action: "Write",
			ReportingController: "foreign", ReportingInstance: "foreign", Regarding: corev1.ObjectReference{Namespace: foreign.Namespace}},
	} {
		for {
			err := operator.Create(ctx, object.DeepCopyObject().(client.Object), client.DryRunAll)
			if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting until the operator may not write %T: it may (%w): %w", object, err, ctx.Err())
			case <-ticker.C:
			}
		}
	}
	return nil
}
