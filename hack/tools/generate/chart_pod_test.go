// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// podOf is the operator's pod in a release with settings as --set takes them.
func podOf(t *testing.T, settings ...string) corev1.PodSpec {
	t.Helper()
	deployments := objects[appsv1.Deployment](t, mustRender(t, settings...), "Deployment")
	return deployments["xmppfed-system/xmppfed"].Spec.Template.Spec
}

func TestThePodSatisfiesTheRestrictedPodSecurityStandard(t *testing.T) {
	pod := podOf(t)
	if pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot {
		t.Error("runAsNonRoot is not true")
	}
	if pod.SecurityContext.SeccompProfile == nil || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Error("the seccomp profile is not RuntimeDefault")
	}
	if pod.HostNetwork || pod.HostPID || pod.HostIPC || len(pod.Volumes) > 0 {
		t.Error("the pod takes part in the host's namespaces or has volumes")
	}
	for _, container := range pod.Containers {
		security := container.SecurityContext
		if security == nil || security.AllowPrivilegeEscalation == nil || *security.AllowPrivilegeEscalation {
			t.Errorf("container %s: allowPrivilegeEscalation is not false", container.Name)
		}
		if security.ReadOnlyRootFilesystem == nil || !*security.ReadOnlyRootFilesystem {
			t.Errorf("container %s: readOnlyRootFilesystem is not true", container.Name)
		}
		if diff := cmp.Diff(security.Capabilities, &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}); diff != "" {
			t.Errorf("container %s: capabilities:\n%s", container.Name, diff)
		}
	}
}

func TestOtherContainersStandBesideTheOperator(t *testing.T) {
	pod := podOf(t, "extraContainers[0].name=webhook,extraContainers[0].image=registry.example/webhook:1",
		"extraVolumes[0].name=no-token,extraVolumes[0].emptyDir.sizeLimit=1Mi")
	if len(pod.Containers) != 2 || pod.Containers[0].Name != "operator" || pod.Containers[1].Image != "registry.example/webhook:1" {
		t.Errorf("containers are %v", pod.Containers)
	}
	if len(pod.Volumes) != 1 || pod.Volumes[0].Name != "no-token" || pod.Volumes[0].EmptyDir == nil {
		t.Errorf("volumes are %v", pod.Volumes)
	}
}

func TestTheOperatorRunsBehindAProxyAPrivateCAAndAResolverOfItsOwn(t *testing.T) {
	pod := podOf(t, "extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy.example:3128",
		"extraVolumes[0].name=ca,extraVolumes[0].configMap.name=our-ca",
		"extraVolumeMounts[0].name=ca,extraVolumeMounts[0].mountPath=/etc/our-ca",
		"dnsPolicy=None,dnsConfig.nameservers={203.0.113.53},dnsConfig.options[0].name=ndots")
	plain, operator := podOf(t).Containers[0], pod.Containers[0]
	variables := append(slices.Clone(plain.Env), corev1.EnvVar{Name: "HTTPS_PROXY", Value: "http://proxy.example:3128"})
	if diff := cmp.Diff(operator.Env, variables); diff != "" {
		t.Errorf("environment (-is +want):\n%s", diff)
	}
	if diff := cmp.Diff(operator.VolumeMounts, []corev1.VolumeMount{{Name: "ca", MountPath: "/etc/our-ca"}}); diff != "" {
		t.Errorf("mounts (-are +want):\n%s", diff)
	}
	resolver := &corev1.PodDNSConfig{Nameservers: []string{"203.0.113.53"}, Options: []corev1.PodDNSConfigOption{{Name: "ndots"}}}
	if diff := cmp.Diff(pod.DNSConfig, resolver); diff != "" || pod.DNSPolicy != corev1.DNSNone {
		t.Errorf("the DNS policy is %s; resolver (-is +want):\n%s", pod.DNSPolicy, diff)
	}
}
