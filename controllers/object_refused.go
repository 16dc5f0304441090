// SPDX-License-Identifier: Apache-2.0

package controllers

import "strings"

// inSpec replaces fields of objects that Kubernetes may refuse by the fields of a Federation's spec that they come from.
var inSpec = strings.NewReplacer(
	"spec.template.spec.containers[0].resources", "spec.server.podTemplate.resources",
	"spec.template.spec.containers[0].image", "spec.server.image",
	"spec.template.spec.nodeSelector", "spec.server.podTemplate.nodeSelector",
	"spec.template.spec.tolerations", "spec.server.podTemplate.tolerations",
	"spec.template.spec.affinity", "spec.server.podTemplate.affinity",
	"spec.template.spec.priorityClassName", "spec.server.podTemplate.priorityClassName",
	"spec.template.spec.imagePullSecrets", "spec.server.podTemplate.imagePullSecrets",
	"spec.template.labels", "spec.server.podTemplate.labels",
	"spec.template.metadata.labels", "spec.server.podTemplate.labels",
	"spec.template.annotations", "spec.server.podTemplate.annotations",
	"spec.template.metadata.annotations", "spec.server.podTemplate.annotations",
	"spec.loadBalancerSourceRanges", "spec.exposure.loadBalancer.sourceRanges",
	"spec.LoadBalancerSourceRanges", "spec.exposure.loadBalancer.sourceRanges",
	"spec.loadBalancerClass", "spec.exposure.loadBalancer.class",
	"spec.ipFamilyPolicy", "spec.exposure.loadBalancer.ipFamilyPolicy",
)
