// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/xmppfed/xmppfed/internal/operator"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

// release is what helm template prints, a document per object.
type release [][]byte

// render runs helm template with settings as --set takes them.
func render(t *testing.T, settings ...string) (release, error) {
	t.Helper()
	helm := os.Getenv("HELM")
	_, err := os.Stat(helm)
	testkit.Require(t, helm != "" && err == nil, "helm, at the path in $HELM (make verify builds it and sets HELM)")
	args := []string{"template", "xmppfed", filepath.Join(root, "charts/xmppfed"), "--namespace", "xmppfed-system"}
	for _, setting := range settings {
		args = append(args, "--set", setting)
	}
	var out, problem bytes.Buffer
	command := exec.Command(helm, args...)
	command.Stdout, command.Stderr = &out, &problem
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, problem.String())
	}
	return bytes.Split(out.Bytes(), []byte("\n---\n")), nil
}

func mustRender(t *testing.T, settings ...string) release {
	t.Helper()
	r, err := render(t, settings...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// objects returns the objects of one kind, by namespace/name.
func objects[T any](t *testing.T, r release, kind string) map[string]T {
	t.Helper()
	found := map[string]T{}
	for _, document := range r {
		var head metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(document, &head); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if head.Kind != kind {
			continue
		}
		var object T
		if err := yaml.UnmarshalStrict(document, &object); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		found[head.Namespace+"/"+head.Name] = object
	}
	return found
}

// rights is a set of "group/resource verb", or "group/resource verb of NAME" where a right is to one object.
func rights(rules ...[]rbacv1.PolicyRule) []string {
	set := map[string]bool{}
	for _, rule := range slices.Concat(rules...) {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					set[strings.TrimSuffix(group+"/"+resource+" "+verb+" of "+strings.Join(rule.ResourceNames, ","), " of ")] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func TestTheChartGrantsExactlyTheGeneratedRights(t *testing.T) {
	everywhere, own, err := readRoles(root)
	if err != nil {
		t.Fatal(err)
	}
	r := mustRender(t)
	clusterRole := objects[rbacv1.ClusterRole](t, r, "ClusterRole")["/xmppfed"]
	if diff := cmp.Diff(rights(clusterRole.Rules), rights(everywhere)); diff != "" {
		t.Errorf("ClusterRole (-chart +%s):\n%s", roleFile, diff)
	}
	roles := objects[rbacv1.Role](t, r, "Role")
	if len(roles) != 1 {
		t.Errorf("there is a Role besides the one for the operator's namespace: %v", slices.Sorted(maps.Keys(roles)))
	}
	if diff := cmp.Diff(rights(roles["xmppfed-system/xmppfed-own-namespace"].Rules), rights(own)); diff != "" {
		t.Errorf("Role (-chart +%s):\n%s", roleFile, diff)
	}
}

func TestWatchNamespacesNarrowTheRightsToNamespacedKinds(t *testing.T) {
	everywhere, _, err := readRoles(root)
	if err != nil {
		t.Fatal(err)
	}
	r := mustRender(t, "watchNamespaces={chat,talk}")
	clusterRole := objects[rbacv1.ClusterRole](t, r, "ClusterRole")["/xmppfed"]
	roles := objects[rbacv1.Role](t, r, "Role")
	bindings := objects[rbacv1.RoleBinding](t, r, "RoleBinding")
	for _, namespace := range []string{"chat", "talk"} {
		role := roles[namespace+"/xmppfed"]
		if diff := cmp.Diff(rights(clusterRole.Rules, role.Rules), rights(everywhere)); diff != "" {
			t.Errorf("ClusterRole and Role in %s together (-chart +%s):\n%s", namespace, roleFile, diff)
		}
		if binding := bindings[namespace+"/xmppfed"]; binding.RoleRef.Name != "xmppfed" || binding.RoleRef.Kind != "Role" {
			t.Errorf("the Role in %s is not bound: %v", namespace, binding.RoleRef)
		}
	}
	toOne := []string{
		"apiextensions.k8s.io/customresourcedefinitions get of federations.xmppfed.io",
		"apiextensions.k8s.io/customresourcedefinitions patch of federations.xmppfed.io",
		"coordination.k8s.io/leases get of xmppfed-operator",
	}
	for _, right := range rights(clusterRole.Rules) {
		if resource := strings.Fields(right)[0]; !slices.Contains(toOne, right) && !slices.Contains([]string{
			"/namespaces", "events.k8s.io/events", "authentication.k8s.io/tokenreviews", "authorization.k8s.io/subjectaccessreviews",
			"xmppfed.io/dnszones", "xmppfed.io/dnszones/status", "xmppfed.io/dnszones/finalizers",
		}, resource) {
			t.Errorf("the ClusterRole grants %q in every namespace", right)
		}
	}
}

func TestEveryBindingNamesTheServiceAccountOfTheOperator(t *testing.T) {
	want := []rbacv1.Subject{{Kind: "ServiceAccount", Name: "other", Namespace: "xmppfed-system"}}
	r := mustRender(t, "watchNamespaces={chat}", "serviceAccount.create=false", "serviceAccount.name=other")
	for name, binding := range objects[rbacv1.RoleBinding](t, r, "RoleBinding") {
		if diff := cmp.Diff(binding.Subjects, want); diff != "" {
			t.Errorf("RoleBinding %s:\n%s", name, diff)
		}
	}
	for name, binding := range objects[rbacv1.ClusterRoleBinding](t, r, "ClusterRoleBinding") {
		if diff := cmp.Diff(binding.Subjects, want); diff != "" {
			t.Errorf("ClusterRoleBinding %s:\n%s", name, diff)
		}
	}
	if made := objects[corev1.ServiceAccount](t, r, "ServiceAccount"); len(made) != 0 {
		t.Errorf("a ServiceAccount is made although serviceAccount.create is false: %v", made)
	}
}

// readYAML reads a file of the tree that must have the fields of T and no others.
func readYAML[T any](t *testing.T, path string) T {
	t.Helper()
	var object T
	if err := yaml.UnmarshalStrict([]byte(readText(t, path)), &object); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return object
}

func TestTheDeploymentOfConfigAndOfTheChartAreTheSame(t *testing.T) {
	plain := readYAML[appsv1.Deployment](t, "config/manager/deployment.yaml")
	kustomization := readYAML[struct {
		Resources []string
		Images    []struct{ Name, NewName, NewTag string }
	}](t, "config/manager/kustomization.yaml")
	for i, container := range plain.Spec.Template.Spec.Containers {
		for _, image := range kustomization.Images {
			if container.Image == image.Name {
				plain.Spec.Template.Spec.Containers[i].Image = image.NewName + ":" + image.NewTag
			}
		}
	}
	chart := objects[appsv1.Deployment](t, mustRender(t), "Deployment")["xmppfed-system/xmppfed"]
	for _, deployment := range []*appsv1.Deployment{&plain, &chart} {
		// Names follow the release, and so do the labels by which it finds its pods.
		deployment.Spec.Selector, deployment.Spec.Template.Labels = nil, nil
		pod := &deployment.Spec.Template.Spec
		pod.ServiceAccountName = ""
		// The chart says what Kubernetes and the operator take for granted: when to pull, and all namespaces.
		pod.Containers[0].ImagePullPolicy = corev1.PullIfNotPresent
		pod.Containers[0].Args = slices.DeleteFunc(pod.Containers[0].Args, func(arg string) bool { return arg == "--watch-namespaces=" })
	}
	if diff := cmp.Diff(plain.Spec, chart.Spec); diff != "" {
		t.Errorf("config/manager (-) and the chart (+):\n%s", diff)
	}
}

func TestCRDsComeAndStayAsTheValuesSay(t *testing.T) {
	const policy = "helm.sh/resource-policy"
	tests := map[string]struct {
		settings []string
		count    int
		policy   string
	}{
		"by default they are installed and kept":    {nil, 2, "keep"},
		"keep=false lets uninstalling remove them":  {[]string{"crds.keep=false"}, 2, ""},
		"enabled=false leaves them to someone else": {[]string{"crds.enabled=false"}, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			crds := objects[apiextensionsv1.CustomResourceDefinition](t, mustRender(t, test.settings...), "CustomResourceDefinition")
			if len(crds) != test.count {
				t.Errorf("%d CRDs, want %d", len(crds), test.count)
			}
			for name, crd := range crds {
				if crd.Annotations[policy] != test.policy {
					t.Errorf("%s: %s is %q, want %q", name, policy, crd.Annotations[policy], test.policy)
				}
			}
		})
	}
}

func TestValuesReachTheOperator(t *testing.T) {
	r := mustRender(t, "image.repository=localhost/op", "image.tag=dev", "watchNamespaces={chat,talk}", "logLevel=debug",
		"disclosedNetworks={10.20.0.0/16,fd00:20::/32,0.0.0.0/0,::/0,fd00:1:2:3:4:5:6:7/128}", "resources.limits.memory=1Gi",
		"engines.prosody.image=localhost/prosody:0.12", "leaderElection.enabled=false", "metrics.port=9000")
	container := objects[appsv1.Deployment](t, r, "Deployment")["xmppfed-system/xmppfed"].Spec.Template.Spec.Containers[0]
	want := []string{"--metrics-bind-address=:9000", "--metrics-secure=true", "--health-probe-bind-address=:8081", "--leader-elect=false",
		"--namespace=$(POD_NAMESPACE)", "--watch-namespaces=chat,talk", "--disclosed-networks=10.20.0.0/16,fd00:20::/32,0.0.0.0/0,::/0,fd00:1:2:3:4:5:6:7/128", "--prosody-image=localhost/prosody:0.12", "--log-level=debug"}
	if diff := cmp.Diff(container.Args, want); diff != "" {
		t.Errorf("arguments (-are +want):\n%s", diff)
	}
	if err := operator.Command().ParseFlags(container.Args); err != nil {
		t.Errorf("the operator does not take these arguments: %v", err)
	}
	if container.Image != "localhost/op:dev" {
		t.Errorf("image is %s", container.Image)
	}
	digest := "sha256:" + strings.Repeat("0", 64)
	container = objects[appsv1.Deployment](t, mustRender(t, "image.digest="+digest), "Deployment")["xmppfed-system/xmppfed"].
		Spec.Template.Spec.Containers[0]
	if container.Image != "ghcr.io/xmppfed/operator@"+digest {
		t.Errorf("image is %s, want the digest to win", container.Image)
	}
}

func TestALongReleaseNameGivesServicesThatKubernetesTakes(t *testing.T) {
	services := objects[corev1.Service](t, mustRender(t, "fullnameOverride="+strings.Repeat("x", 63)), "Service")
	if len(services) == 0 {
		t.Fatal("no Service is made")
	}
	for name, service := range services {
		if problems := validation.IsDNS1035Label(service.Name); len(problems) > 0 {
			t.Errorf("Service %s: %v", name, problems)
		}
	}
}

func TestMetricsAreScrapedOnlyWhenWanted(t *testing.T) {
	tests := map[string]struct {
		settings           []string
		services, monitors int
	}{
		"by default there is a Service and no ServiceMonitor": {nil, 1, 0},
		"the Prometheus operator gets a ServiceMonitor":       {[]string{"metrics.serviceMonitor.enabled=true"}, 1, 1},
		"metrics can be left out":                             {[]string{"metrics.enabled=false"}, 0, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := mustRender(t, test.settings...)
			if n := len(objects[corev1.Service](t, r, "Service")); n != test.services {
				t.Errorf("%d Services, want %d", n, test.services)
			}
			if n := len(objects[map[string]any](t, r, "ServiceMonitor")); n != test.monitors {
				t.Errorf("%d ServiceMonitors, want %d", n, test.monitors)
			}
		})
	}
}

func TestWrongValuesAreRefusedWithTheirName(t *testing.T) {
	tests := map[string]struct{ setting, message string }{
		"a value that does not exist":            {"imge.tag=dev", "imge"},
		"a tag that is no tag":                   {"image.tag=a b", "tag"},
		"a digest of the wrong length":           {"image.digest=sha256:00", "digest"},
		"a pull policy that does not exist":      {"image.pullPolicy=Sometimes", "pullPolicy"},
		"a namespace with capitals":              {"watchNamespaces={Chat}", "watchNamespaces"},
		"a disclosed address without length":     {"disclosedNetworks={10.20.0.1}", "disclosedNetworks"},
		"a disclosed network beyond IPv4":        {"disclosedNetworks={10.0.0.0/33}", "disclosedNetworks"},
		"a disclosed network beyond IPv6":        {"disclosedNetworks={fd00::/129}", "disclosedNetworks"},
		"a disclosed network of no address":      {"disclosedNetworks={10.0.0.256/24}", "disclosedNetworks"},
		"a disclosed network of half an address": {"disclosedNetworks={fd00:20/32}", "disclosedNetworks"},
		"a disclosed network with two gaps":      {"disclosedNetworks={fd00::20::/32}", "disclosedNetworks"},
		"memory in thousandths of bytes":         {"resources.limits.memory=512m", "memory"},
		"memory that holds no operator":          {"resources.limits.memory=1000", "memory"},
		"a log level that does not exist":        {"logLevel=loud", "logLevel"},
		"a port below those of ordinary users":   {"metrics.port=80", "port"},
		"two pods that would both act":           {"replicas=2,leaderElection.enabled=false", "leaderElection.enabled"},
		"a ServiceMonitor without a Service":     {"metrics.enabled=false,metrics.serviceMonitor.enabled=true", "metrics.enabled"},
		"no ServiceAccount at all":               {"serviceAccount.create=false", "serviceAccount.name"},
		"an interval without a unit":             {"metrics.serviceMonitor.interval=30", "interval"},
		"a flag that is neither true nor false":  {"crds.keep=maybe", "keep"},
		"a full name that no Service can have":   {"fullnameOverride=a.b", "fullnameOverride"},
		"a label that the selector has":          {`podLabels.app\.kubernetes\.io/name=other`, "podLabels"},
		"an annotation that the chart sets":      {`podAnnotations.kubectl\.kubernetes\.io/default-container=x`, "podAnnotations"},
		"a container without an image":           {"extraContainers[0].name=webhook", "image"},
		"a container named like the operator's":  {"extraContainers[0].name=operator,extraContainers[0].image=x", "extraContainers"},
		"a variable that the chart sets":         {"extraEnv[0].name=GOMEMLIMIT,extraEnv[0].value=1GiB", "extraEnv"},
		"a mount without a path":                 {"extraVolumeMounts[0].name=ca", "mountPath"},
		"a DNS policy that does not exist":       {"dnsPolicy=Cluster", "dnsPolicy"},
		"a field that no resolver has":           {"dnsConfig.servers={10.0.0.53}", "dnsConfig"},
		"a label that the chart sets":            {`metrics.serviceMonitor.labels.helm\.sh/chart=x`, "labels"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := render(t, test.setting)
			if err == nil {
				t.Fatalf("--set %s was accepted", test.setting)
			}
			if !strings.Contains(err.Error(), test.message) {
				t.Errorf("the message does not name %s: %v", test.message, err)
			}
		})
	}
}

func TestTheSchemaKnowsExactlyTheDocumentedValues(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "charts/xmppfed/values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema apiextensionsv1.JSONSchemaProps
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	values, err := readValues(root)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{"global": true} // Helm's own
	for _, v := range values {
		documented[v.path] = true
	}
	known := map[string]bool{}
	collectPaths("", schema, documented, known)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(documented))); diff != "" {
		t.Errorf("values of values.schema.json (-) and of values.yaml (+):\n%s", diff)
	}
}

// collectPaths notes the paths of a schema, down to the documented ones.
func collectPaths(prefix string, schema apiextensionsv1.JSONSchemaProps, documented, paths map[string]bool) {
	for name, member := range schema.Properties {
		if path := prefix + name; documented[path] || len(member.Properties) == 0 {
			paths[path] = true
		} else {
			collectPaths(path+".", member, documented, paths)
		}
	}
}
