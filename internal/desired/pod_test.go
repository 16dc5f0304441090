// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
)

func TestPodsSatisfyTheRestrictedPodSecurityStandard(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for name, fed := range map[string]*v1alpha1.Federation{"minimal": minimal(), "full": full()} {
		t.Run(name, func(t *testing.T) {
			template := desired.StatefulSet(fed, prosody.Engine{}, image).Spec.Template
			results := evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec)
			if len(results) < 10 {
				t.Fatalf("only %d checks ran", len(results))
			}
			if all := policy.AggregateCheckResults(results); !all.Allowed {
				t.Error(all.ForbiddenDetail())
			}
		})
	}
}

func TestPodsAreHardenedBeyondTheStandard(t *testing.T) {
	pod := desired.StatefulSet(minimal(), prosody.Engine{}, image).Spec.Template.Spec
	if mount := pod.AutomountServiceAccountToken; mount == nil || *mount {
		t.Error("the server gets a token for the Kubernetes API, which it does not need")
	}
	if links := pod.EnableServiceLinks; links == nil || *links {
		t.Error("the server gets other Services as environment variables, which it does not need")
	}
	for _, container := range pod.Containers {
		if readOnly := container.SecurityContext.ReadOnlyRootFilesystem; readOnly == nil || !*readOnly {
			t.Errorf("container %s can write to its image", container.Name)
		}
		if container.ReadinessProbe == nil || container.LivenessProbe == nil {
			t.Errorf("container %s has no probes", container.Name)
		}
	}
}

func TestPodLabelsOfTheSpecNeverWinOverTheOperatorsOwn(t *testing.T) {
	fed := minimal()
	fed.Spec.Server.PodTemplate = &v1alpha1.PodTemplateSpec{Labels: map[string]string{
		desired.LabelFederation: "other", desired.LabelManagedBy: "other", "team": "chat",
	}}
	set := desired.StatefulSet(fed, prosody.Engine{}, image)
	labels := set.Spec.Template.Labels
	for key, value := range set.Spec.Selector.MatchLabels {
		if labels[key] != value {
			t.Errorf("label %s is %q, but the StatefulSet selects %q", key, labels[key], value)
		}
	}
	if labels["team"] != "chat" {
		t.Error("the label of the spec is lost")
	}
}

// stubEngine is a server with given resources.
type stubEngine struct {
	engine.Engine
	resources corev1.ResourceRequirements
}

func (s stubEngine) Container() corev1.Container {
	return corev1.Container{Name: "server", Resources: s.resources}
}

func TestResourcesOfTheSpecReplaceDefaultsOneByOne(t *testing.T) {
	defaults := requirements("cpu 20m, memory 48Mi", "memory 256Mi")
	for name, test := range map[string]struct{ custom, want corev1.ResourceRequirements }{
		"nothing is named":                       {requirements("", ""), defaults},
		"a request is named":                     {requirements("cpu 1", ""), requirements("cpu 1, memory 48Mi", "memory 256Mi")},
		"a limit is named":                       {requirements("", "memory 1Gi"), requirements("cpu 20m, memory 48Mi", "memory 1Gi")},
		"a limit that has no default is named":   {requirements("", "cpu 2"), requirements("cpu 20m, memory 48Mi", "cpu 2, memory 256Mi")},
		"a resource of another kind is named":    {requirements("gpu 1", "gpu 1"), requirements("cpu 20m, memory 48Mi, gpu 1", "memory 256Mi, gpu 1")},
		"a request above the default limit":      {requirements("memory 512Mi", ""), requirements("cpu 20m, memory 512Mi", "memory 512Mi")},
		"a limit below the default request":      {requirements("", "memory 32Mi"), requirements("cpu 20m, memory 32Mi", "memory 32Mi")},
		"request and limit are named":            {requirements("memory 1Gi", "memory 2Gi"), requirements("cpu 20m, memory 1Gi", "memory 2Gi")},
		"a limit equal to the default request":   {requirements("", "memory 48Mi"), requirements("cpu 20m, memory 48Mi", "memory 48Mi")},
		"a request equal to the default limit":   {requirements("memory 256Mi", ""), requirements("cpu 20m, memory 256Mi", "memory 256Mi")},
		"limits of several resources are named":  {requirements("", "cpu 10m, memory 1Gi"), requirements("cpu 10m, memory 48Mi", "cpu 10m, memory 1Gi")},
		"everything is named":                    {requirements("cpu 1, memory 1Gi", "cpu 2, memory 2Gi"), requirements("cpu 1, memory 1Gi", "cpu 2, memory 2Gi")},
		"the same as the defaults":               {defaults, defaults},
		"a request of zero":                      {requirements("cpu 0", ""), requirements("cpu 0, memory 48Mi", "memory 256Mi")},
		"a request and a lower limit, as wanted": {requirements("memory 2Gi", "memory 1Gi"), requirements("cpu 20m, memory 1Gi", "memory 1Gi")},
	} {
		t.Run(name, func(t *testing.T) {
			fed := minimal()
			fed.Spec.Server.PodTemplate = &v1alpha1.PodTemplateSpec{Resources: named(test.custom)}
			given := defaults.DeepCopy()
			set := desired.StatefulSet(fed, stubEngine{resources: *given}, image)
			if diff := cmp.Diff(test.want, set.Spec.Template.Spec.Containers[0].Resources); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(defaults, *given); diff != "" {
				t.Errorf("the defaults of the engine changed:\n%s", diff)
			}
		})
	}
}

func TestLimitsOfAServerWithoutDefaults(t *testing.T) {
	fed := minimal()
	fed.Spec.Server.PodTemplate = &v1alpha1.PodTemplateSpec{Resources: named(requirements("cpu 1", "cpu 2"))}
	set := desired.StatefulSet(fed, stubEngine{}, image)
	if diff := cmp.Diff(requirements("cpu 1", "cpu 2"), set.Spec.Template.Spec.Containers[0].Resources); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}

// named are resources as a Federation names them.
func named(r corev1.ResourceRequirements) v1alpha1.ResourcesSpec {
	return v1alpha1.ResourcesSpec{Requests: r.Requests, Limits: r.Limits}
}

// requirements reads lists such as "cpu 1, memory 1Gi".
func requirements(requests, limits string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: resources(requests), Limits: resources(limits)}
}

func resources(text string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for _, item := range splitList(text) {
		name, amount := cutSpace(item)
		list[corev1.ResourceName(name)] = resource.MustParse(amount)
	}
	return list
}
