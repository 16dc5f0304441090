// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Names in config/policy that are the release's in the chart.
const (
	policyUser      = "request.userInfo.username.matches('^system:serviceaccount:[^:]+:xmppfed-operator$')"
	policyUserChart = `request.userInfo.username == ` +
		`'system:serviceaccount:{{ .Release.Namespace }}:{{ include "xmppfed.serviceAccountName" . }}'`
	policyName      = "name: xmppfed-operator-"
	policyNameChart = `name: {{ include "xmppfed.fullname" . }}-`
	policyRef       = "policyName: xmppfed-operator-"
	policyRefChart  = `policyName: {{ include "xmppfed.fullname" . }}-`
)

// namespacedDir is the kustomization for installations that serve some namespaces only.
const namespacedDir = "config/namespaced"

// chartPolicies makes a template of each policy in config/policy.
func chartPolicies(root string) (map[string]string, error) {
	paths, err := filepath.Glob(filepath.Join(root, policyDir, "*_objects.yaml"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("finding policies in %s: none there", policyDir)
	}
	files := map[string]string{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		text, err := policyTemplate(string(data))
		if err != nil {
			return nil, fmt.Errorf("templating %s: %w", path, err)
		}
		files[filepath.Join(templates, "policy", filepath.Base(path))] = text
	}
	return files, nil
}

func policyTemplate(policy string) (string, error) {
	if strings.Contains(policy, "{{") {
		return "", fmt.Errorf("text holds {{, which Helm would run")
	}
	if strings.Count(policy, policyUser) != 1 || strings.Count(policy, policyRef) != 1 {
		return "", fmt.Errorf("it should bind the operator once, by matchCondition %s, and have one binding", policyUser)
	}
	labels := "\n  labels:\n    {{- include \"xmppfed.labels\" . | nindent 4 }}\nspec:\n"
	policy = strings.ReplaceAll(policy, policyUser, policyUserChart)
	policy = strings.ReplaceAll(policy, policyRef, policyRefChart)
	policy = strings.ReplaceAll(policy, policyName, policyNameChart)
	policy = strings.ReplaceAll(policy, "\nspec:\n", labels)
	return "{{- if .Values.rbac.admissionPolicy }}\n" + policy + "{{- end }}\n", nil
}

// namespacedRoles parts the operator's ClusterRole in one with the rules for cluster-scoped kinds, which the overlay for chosen
// namespaces has in place of it, and a Role for each of these namespaces.
func namespacedRoles(root string) (map[string]string, error) {
	clusterScoped, err := clusterScopedKinds(root)
	if err != nil {
		return nil, err
	}
	everywhere, _, err := readRoles(root)
	if err != nil {
		return nil, err
	}
	cluster, namespaced := splitByScope(everywhere, clusterScoped)
	files := map[string]string{}
	for name, role := range map[string]any{
		"cluster_role.yaml": rbacv1.ClusterRole{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
			ObjectMeta: metav1.ObjectMeta{Name: "xmppfed-operator"}, Rules: cluster,
		},
		"watched/role.yaml": rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: metav1.ObjectMeta{Name: "xmppfed-operator-watched"}, Rules: namespaced,
		},
	} {
		data, err := yaml.Marshal(role)
		if err != nil {
			return nil, err
		}
		files[filepath.Join(namespacedDir, name)] = "# Generated from " + roleFile + " by make generate. Do not edit.\n" + string(data)
	}
	return files, nil
}
