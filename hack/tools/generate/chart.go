// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const (
	crdDir    = "config/crd/bases"
	roleFile  = "config/rbac/role.yaml"
	policyDir = "config/policy"
	templates = "charts/xmppfed/templates"
)

// chartCRDs wraps each CRD in a template, so that the chart can leave it out, keep it on uninstall and, unlike Helm's
// own crds directory, upgrade it.
func chartCRDs(root string) (map[string]string, error) {
	paths, err := filepath.Glob(filepath.Join(root, crdDir, "*.yaml"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("finding CRDs in %s: none there; run controller-gen first", crdDir)
	}
	files := map[string]string{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		text, err := crdTemplate(string(data))
		if err != nil {
			return nil, fmt.Errorf("templating %s: %w", path, err)
		}
		files[filepath.Join(templates, "crds", filepath.Base(path))] = text
	}
	return files, nil
}

func crdTemplate(crd string) (string, error) {
	if strings.Contains(crd, "{{") {
		return "", fmt.Errorf("text holds {{, which Helm would run; write the comment in the Go types without it")
	}
	const annotations = "metadata:\n  annotations:\n"
	before, after, ok := strings.Cut(strings.TrimPrefix(crd, "---\n"), annotations)
	if !ok {
		return "", fmt.Errorf("metadata does not begin with annotations")
	}
	return "{{- if .Values.crds.enabled }}\n" + before + `metadata:
  labels:
    {{- include "xmppfed.labels" . | nindent 4 }}
  annotations:
    {{- if .Values.crds.keep }}
    helm.sh/resource-policy: keep
    {{- end }}
` + after + "{{- end }}\n", nil
}

// chartRules turns the roles that controller-gen made from the markers in controllers/ into three lists of rules, so
// that the chart can grant rights to namespaced kinds in chosen namespaces only.
func chartRules(root string) (map[string]string, error) {
	clusterScoped, err := clusterScopedKinds(root)
	if err != nil {
		return nil, err
	}
	everywhere, own, err := readRoles(root)
	if err != nil {
		return nil, err
	}
	cluster, namespaced := splitByScope(everywhere, clusterScoped)
	var b strings.Builder
	b.WriteString("{{- /* Generated from " + roleFile + " by make generate. Do not edit. */}}\n")
	for _, list := range []struct {
		name  string
		rules []rbacv1.PolicyRule
	}{{"cluster", cluster}, {"namespaced", namespaced}, {"operator", own}} {
		if len(list.rules) == 0 {
			return nil, fmt.Errorf("reading %s: no rule for %q; the chart would grant an empty role", roleFile, list.name)
		}
		data, err := yaml.Marshal(list.rules)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "\n{{- define \"xmppfed.rules.%s\" -}}\n%s{{- end }}\n", list.name, data)
	}
	return map[string]string{filepath.Join(templates, "_rbac.tpl"): b.String()}, nil
}

// clusterScopedKinds are the resources, as group/plural, that belong to no namespace: those of Kubernetes itself that
// the operator has to do with, and our own, as their CRDs say. Events count among them, because those about a
// cluster-scoped object are written to namespace default, and so does the lease by which installations in other namespaces show
// that they are alive.
func clusterScopedKinds(root string) ([]string, error) {
	kinds := []string{
		"/namespaces", "events.k8s.io/events", "apiextensions.k8s.io/customresourcedefinitions", "coordination.k8s.io/leases",
		"authentication.k8s.io/tokenreviews", "authorization.k8s.io/subjectaccessreviews",
	}
	crds, err := readCRDs(root)
	if err != nil {
		return nil, err
	}
	for _, crd := range crds {
		if crd.Spec.Scope == apiextensionsv1.ClusterScoped {
			kinds = append(kinds, crd.Spec.Group+"/"+crd.Spec.Names.Plural)
		}
	}
	return kinds, nil
}

// readRoles returns the rules of the ClusterRole and those of the Role for the operator's namespace.
func readRoles(root string) (everywhere, own []rbacv1.PolicyRule, err error) {
	data, err := os.ReadFile(filepath.Join(root, roleFile))
	if err != nil {
		return nil, nil, err
	}
	for _, document := range bytes.Split(data, []byte("---\n")) {
		var role rbacv1.Role // a ClusterRole has the same fields as far as they matter here
		if err := yaml.Unmarshal(document, &role); err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", roleFile, err)
		}
		switch role.Kind {
		case "ClusterRole":
			everywhere = append(everywhere, role.Rules...)
		case "Role":
			own = append(own, role.Rules...)
		}
	}
	return everywhere, own, nil
}

// splitByScope parts rules whose resources are of both scopes in two.
func splitByScope(rules []rbacv1.PolicyRule, clusterScoped []string) (cluster, namespaced []rbacv1.PolicyRule) {
	for _, rule := range rules {
		inCluster, inNamespace := rule, rule
		inCluster.Resources, inNamespace.Resources = nil, nil
		for _, resource := range rule.Resources {
			kind, _, _ := strings.Cut(resource, "/")
			if slices.Contains(clusterScoped, rule.APIGroups[0]+"/"+kind) {
				inCluster.Resources = append(inCluster.Resources, resource)
			} else {
				inNamespace.Resources = append(inNamespace.Resources, resource)
			}
		}
		if len(inCluster.Resources) > 0 || len(rule.NonResourceURLs) > 0 {
			cluster = append(cluster, inCluster)
		}
		if len(inNamespace.Resources) > 0 {
			namespaced = append(namespaced, inNamespace)
		}
	}
	return cluster, namespaced
}
