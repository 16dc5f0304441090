// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package v1alpha1_test

// Amounts that Kubernetes would take, and with which no server runs.
func badResources() []badManifest {
	bad := func(name, member, field, message string) badManifest {
		return badManifest{
			name: name, spec: "server: {podTemplate: {resources: {" + member + "}}}",
			field: "spec.server.podTemplate.resources." + field, message: message,
		}
	}
	const (
		littleMemory    = "memory must be at least 64Mi; 512m means 512 thousandths of a byte, write 512Mi"
		littleCPU       = "cpu must be at least 10m, which is a hundredth of a CPU; write for example 500m"
		negative        = "must not be negative"
		littleRequested = "memory must be 0 or at least 1Mi; 256m means 256 thousandths of a byte, write 256Mi"
		aboveLimit      = "requests must not be above limits: Kubernetes guarantees no more than may be used; raise the limit or lower the request"
	)
	return []badManifest{
		bad("a memory limit in thousandths of bytes", "limits: {memory: 512m}", "limits", littleMemory),
		bad("a memory limit of zero", `limits: {memory: "0"}`, "limits", littleMemory),
		bad("a memory limit of the number zero", "limits: {memory: 0}", "limits", littleMemory),
		bad("a memory limit of 512 bytes", "limits: {memory: 512}", "limits", littleMemory),
		bad("a negative memory limit", "limits: {memory: -5Mi}", "limits", littleMemory),
		bad("a memory limit of 1 MiB", "limits: {memory: 1Mi}", "limits", littleMemory),
		bad("a memory limit just too small", "limits: {memory: 67108863}", "limits", littleMemory),
		bad("a CPU limit of zero", `limits: {cpu: "0"}`, "limits", littleCPU),
		bad("a negative CPU limit", "limits: {cpu: -1}", "limits", littleCPU),
		bad("a CPU limit of a thousandth", "limits: {cpu: 1m}", "limits", littleCPU),
		bad("a negative limit of something else", "limits: {ephemeral-storage: -1Gi}", "limits", negative),
		bad("a memory request in thousandths of bytes", "requests: {memory: 256m}", "requests", littleRequested),
		bad("a memory request of 256 bytes", "requests: {memory: 256}", "requests", littleRequested),
		bad("a negative memory request", "requests: {memory: -1Gi}", "requests", negative),
		bad("a negative CPU request", "requests: {cpu: -100m}", "requests", negative),
		bad("a memory request above the limit", "requests: {memory: 1Gi}, limits: {memory: 512Mi}", "requests", aboveLimit),
		bad("a CPU request above the limit, as a number", `requests: {cpu: 2}, limits: {cpu: "1"}`, "requests", aboveLimit),
	}
}

func goodResources() map[string]struct{ kind, spec string } {
	good := func(resources string) struct{ kind, spec string } {
		return struct{ kind, spec string }{"Federation", "server: {podTemplate: {resources: {" + resources + "}}}"}
	}
	return map[string]struct{ kind, spec string }{
		"the smallest limits":                good("limits: {memory: 64Mi, cpu: 10m}"),
		"limits as numbers":                  good("limits: {memory: 268435456, cpu: 1}"),
		"a volume size as a number":          {"Federation", "server: {storage: {size: 1073741824}}"},
		"nothing guaranteed":                 good(`requests: {memory: 0, cpu: "0"}`),
		"requests that are the limits":       good("requests: {memory: 1Gi, cpu: 1000m}, limits: {memory: 1024Mi, cpu: 1}"),
		"a request without a limit":          good("requests: {memory: 4Gi, cpu: 8}"),
		"requests and limits of other kinds": good("requests: {cpu: 1}, limits: {memory: 1Gi, example.com/gpu: 1}"),
	}
}
