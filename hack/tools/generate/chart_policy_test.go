// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/xmppfed/xmppfed/internal/testkit"
)

// kustomize builds an overlay of config.
func kustomize(t *testing.T, overlay string) release {
	t.Helper()
	program := os.Getenv("KUSTOMIZE")
	_, err := os.Stat(program)
	testkit.Require(t, program != "" && err == nil, "kustomize, at the path in $KUSTOMIZE (make test builds it and sets KUSTOMIZE)")
	var problem bytes.Buffer
	command := exec.Command(program, "build", filepath.Join(root, overlay))
	command.Stderr = &problem
	out, err := command.Output()
	if err != nil {
		t.Fatal(err, problem.String())
	}
	return bytes.Split(out, []byte("\n---\n"))
}

// policiesOf returns the policies of a release by what their names end with, and checks that each is bound and denies.
func policiesOf(t *testing.T, r release, prefix string) map[string]admissionv1.ValidatingAdmissionPolicySpec {
	t.Helper()
	policies := map[string]admissionv1.ValidatingAdmissionPolicySpec{}
	bindings := objects[admissionv1.ValidatingAdmissionPolicyBinding](t, r, "ValidatingAdmissionPolicyBinding")
	for name, policy := range objects[admissionv1.ValidatingAdmissionPolicy](t, r, "ValidatingAdmissionPolicy") {
		policies[strings.TrimPrefix(name, "/"+prefix)] = policy.Spec
		binding := bindings[name].Spec
		if diff := cmp.Diff(binding, admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		}); diff != "" {
			t.Errorf("binding of %s (-is +want):\n%s", name, diff)
		}
	}
	if len(bindings) != len(policies) {
		t.Errorf("%d policies and %d bindings", len(policies), len(bindings))
	}
	return policies
}

func TestChart_KeepsTheOperatorWithinTheSamePoliciesAsConfig(t *testing.T) {
	chart := policiesOf(t, mustRender(t, "serviceAccount.name=other"), "xmppfed-")
	for _, policy := range chart {
		want := "request.userInfo.username == 'system:serviceaccount:xmppfed-system:other'"
		if len(policy.MatchConditions) != 1 || policy.MatchConditions[0].Expression != want {
			t.Errorf("a policy holds for %v, want %s", policy.MatchConditions, want)
		}
		policy.MatchConditions[0].Expression = policyUser
	}
	config := policiesOf(t, kustomize(t, "config/default"), "xmppfed-operator-")
	if diff := cmp.Diff(config, chart); diff != "" || len(chart) != 2 {
		t.Errorf("config/policy (-) and %d policies of the chart (+):\n%s", len(chart), diff)
	}
	if off := policiesOf(t, mustRender(t, "rbac.admissionPolicy=false"), ""); len(off) != 0 {
		t.Errorf("policies that were switched off: %v", slices.Collect(maps.Keys(off)))
	}
}

func TestConfig_NarrowsTheRightsToChosenNamespaces(t *testing.T) {
	everywhere, own, err := readRoles(root)
	if err != nil {
		t.Fatal(err)
	}
	clusterScoped, err := clusterScopedKinds(root)
	if err != nil {
		t.Fatal(err)
	}
	r := kustomize(t, "config/namespaced")
	cluster, namespaced := splitByScope(everywhere, clusterScoped)
	roles, bindings := objects[rbacv1.Role](t, r, "Role"), objects[rbacv1.RoleBinding](t, r, "RoleBinding")
	for name, want := range map[string][]rbacv1.PolicyRule{
		"chat/xmppfed-operator-watched": namespaced, "xmppfed-system/xmppfed-operator": own,
	} {
		if diff := cmp.Diff(rights(roles[name].Rules), rights(want)); diff != "" {
			t.Errorf("Role %s (-is +want):\n%s", name, diff)
		}
		subject := []rbacv1.Subject{{Kind: "ServiceAccount", Name: "xmppfed-operator", Namespace: "xmppfed-system"}}
		if binding := bindings[name]; binding.RoleRef.Name != roles[name].Name || !slices.Equal(binding.Subjects, subject) {
			t.Errorf("Role %s is bound as %v to %v", name, binding.RoleRef, binding.Subjects)
		}
	}
	clusterRole := objects[rbacv1.ClusterRole](t, r, "ClusterRole")["/xmppfed-operator"]
	if diff := cmp.Diff(rights(clusterRole.Rules), rights(cluster)); diff != "" {
		t.Errorf("ClusterRole (-is +want):\n%s", diff)
	}
	deployment := objects[appsv1.Deployment](t, r, "Deployment")["xmppfed-system/xmppfed-operator"]
	if args := deployment.Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, "--watch-namespaces=chat") {
		t.Errorf("the operator is started with %v", args)
	}
}

// The guide's table has a row for each kind, with its verbs in every namespace, in the operator's own, or in both.
func TestGuide_ListsExactlyTheOperatorsRights(t *testing.T) {
	everywhere, own, err := readRoles(root)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for where, rules := range map[string][]rbacv1.PolicyRule{"": everywhere, " (own namespace)": own} {
		for _, rule := range rules {
			for _, resource := range rule.Resources {
				name := "`" + resource + "`"
				if len(rule.ResourceNames) > 0 {
					name += " `" + strings.Join(rule.ResourceNames, "`, `") + "`"
				}
				want[fmt.Sprintf("| %s%s | %s |", name, where, strings.Join(rule.Verbs, ", "))] = true
			}
		}
	}
	_, section, found := strings.Cut(readText(t, "docs/guides/security.md"), "## What the operator may do\n")
	section, _, ends := strings.Cut(section, "\n## ")
	if !found || !ends {
		t.Fatal("the guide has no section about what the operator may do")
	}
	listed := map[string]bool{}
	for line := range strings.Lines(section) {
		if columns := strings.SplitN(line, "|", 4); strings.HasPrefix(line, "| `") && len(columns) == 4 {
			listed[strings.Join(columns[:3], "|")+"|"] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(want))); diff != "" {
		t.Errorf("rights in the guide (-) and in %s (+):\n%s", roleFile, diff)
	}
}

func TestChart_MetricsAreForThoseWhoMayReadThem(t *testing.T) {
	reader := []rbacv1.PolicyRule{{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}}
	monitor := func(r release) string {
		return fmt.Sprint(objects[map[string]any](t, r, "ServiceMonitor")["xmppfed-system/xmppfed"]["spec"])
	}
	secure := mustRender(t, "metrics.serviceMonitor.enabled=true")
	if diff := cmp.Diff(objects[rbacv1.ClusterRole](t, secure, "ClusterRole")["/xmppfed-metrics-reader"].Rules, reader); diff != "" {
		t.Errorf("ClusterRole xmppfed-metrics-reader (-is +want):\n%s", diff)
	}
	if diff := cmp.Diff(readYAML[rbacv1.ClusterRole](t, "config/rbac/metrics_reader_role.yaml").Rules, reader); diff != "" {
		t.Errorf("config/rbac (-is +want):\n%s", diff)
	}
	for _, part := range []string{"scheme:https", "bearerTokenFile:"} {
		if spec := monitor(secure); !strings.Contains(spec, part) {
			t.Errorf("the ServiceMonitor has no %s: %s", part, spec)
		}
	}
	open := mustRender(t, "metrics.serviceMonitor.enabled=true", "metrics.secure=false")
	if spec := monitor(open); strings.Contains(spec, "https") || strings.Contains(spec, "bearerTokenFile") {
		t.Errorf("the ServiceMonitor of metrics without TLS is %s", spec)
	}
	if role := objects[rbacv1.ClusterRole](t, open, "ClusterRole")["/xmppfed-metrics-reader"]; role.Name != "" {
		t.Error("there is a role for what everybody may read")
	}
}
