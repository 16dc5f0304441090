// SPDX-License-Identifier: Apache-2.0

package prosody

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/xmppfed/xmppfed/internal/engine"
)

// Names and places of files, the same in the configuration's template.
const (
	configFile     = "prosody.cfg.lua"
	peersFile      = "peers.json"
	trustedCAsFile = engine.FileTrustedCAs
	configDir      = "/etc/xmppfed/config"
	secretDir      = "/etc/xmppfed/secret"
	dataDir        = "/var/lib/prosody"
	runDir         = "/run/prosody"
)

// Container implements [engine.Engine]. The command is spelled out, so that
// Debian's package and the official images, whose entry points want root, both
// work. Readiness asks only about the server itself, never about partners.
func (Engine) Container() corev1.Container {
	config := configDir + "/" + configFile
	listens := corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString(engine.PortS2S)}}
	return corev1.Container{
		Name: "prosody",
		// The path has to be absolute: Prosody reads it again after it has changed its directory.
		Command: []string{"prosody", "-F", "--config", config},
		// For `prosodyctl` inside the pod, which otherwise reads the image's own configuration.
		Env: []corev1.EnvVar{{Name: "PROSODY_CONFIG", Value: config}},
		Ports: []corev1.ContainerPort{
			{Name: engine.PortS2S, ContainerPort: engine.PortNumberS2S, Protocol: corev1.ProtocolTCP},
			// Those of direct TLS are named even while nothing listens there, so that switching it on or off restarts nothing.
			{Name: engine.PortS2STLS, ContainerPort: engine.PortNumberS2STLS, Protocol: corev1.ProtocolTCP},
			{Name: engine.PortC2S, ContainerPort: engine.PortNumberC2S, Protocol: corev1.ProtocolTCP},
			{Name: engine.PortC2STLS, ContainerPort: engine.PortNumberC2STLS, Protocol: corev1.ProtocolTCP},
			{Name: engine.PortHTTP, ContainerPort: engine.PortNumberHTTP, Protocol: corev1.ProtocolTCP},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: engine.VolumeConfig, MountPath: configDir, ReadOnly: true},
			{Name: engine.VolumeSecret, MountPath: secretDir, ReadOnly: true},
			{Name: engine.VolumeData, MountPath: dataDir},
			{Name: engine.VolumeRun, MountPath: runDir},
			{Name: engine.VolumeTmp, MountPath: "/tmp"},
		},
		// An idle Prosody takes 16 MiB and starts in under a second.
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{
				corev1.ResourceCPU:    resource.MustParse("20m"),
				corev1.ResourceMemory: resource.MustParse("48Mi"),
			},
			Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
		},
		StartupProbe: &corev1.Probe{ProbeHandler: listens, PeriodSeconds: 1, FailureThreshold: 60},
		// A server that is busy answers late, one that hangs not at all, though the kernel goes on taking connections for it.
		LivenessProbe: &corev1.Probe{
			ProbeHandler: asks("/xmppfed/alive"), PeriodSeconds: 10, TimeoutSeconds: 10, FailureThreshold: 6,
		},
		// One that is not ready says so at once. One that is busy stays in service: partners would only get a refusal instead.
		ReadinessProbe: &corev1.Probe{
			ProbeHandler: asks("/xmppfed/ready"), PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 3,
		},
	}
}

func asks(path string) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString(engine.PortHTTP)}}
}
