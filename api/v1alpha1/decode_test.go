// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// choosy returns the paths below t of what takes not every JSON value of its type: numbers that have an end, and texts in a form.
// Elements of lists are [], values of maps {}.
func choosy(t reflect.Type, path string) []string {
	if t.Implements(unmarshaler) || reflect.PointerTo(t).Implements(unmarshaler) {
		return []string{path}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return choosy(t.Elem(), path)
	case reflect.Slice:
		return choosy(t.Elem(), path+"[]")
	case reflect.Map:
		return choosy(t.Elem(), path+"{}")
	case reflect.Struct:
		var paths []string
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name != "" {
				name = "." + name
			}
			paths = append(paths, choosy(t.Field(i).Type, path+name)...)
		}
		return paths
	case reflect.String, reflect.Bool:
		return nil
	default:
		return []string{path}
	}
}

// skeletons are specs with %s at a path, and a value that belongs there.
var skeletons = map[string]struct{ kind, spec, good string }{
	"spec.server.replicas":                                    {"Federation", "server: {replicas: %s}", "1"},
	"spec.server.storage.size":                                {"Federation", "server: {storage: {size: %s}}", "1Gi"},
	"spec.server.podTemplate.resources.limits{}":              {"Federation", "server: {podTemplate: {resources: {limits: {cpu: %s}}}}", "1e3"},
	"spec.server.podTemplate.resources.requests{}":            {"Federation", "server: {podTemplate: {resources: {requests: {memory: %s}}}}", "64Mi"},
	"spec.server.podTemplate.tolerations[].tolerationSeconds": {"Federation", "server: {podTemplate: {tolerations: [{operator: Exists, effect: NoExecute, tolerationSeconds: %s}]}}", "60"},
	"spec.server.podTemplate.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[].weight": {
		"Federation", "server: {podTemplate: {affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [" +
			"{weight: %s, preference: {}}]}}}}", "5",
	},
	"spec.server.podTemplate.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[].weight": {
		"Federation", "server: {podTemplate: {affinity: {podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [" +
			"{weight: %s, podAffinityTerm: {topologyKey: zone}}]}}}}", "5",
	},
	"spec.server.podTemplate.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[].weight": {
		"Federation", "server: {podTemplate: {affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [" +
			"{weight: %s, podAffinityTerm: {topologyKey: zone}}]}}}}", "5",
	},
	"spec.exposure.port":                   {"Federation", "exposure: {port: %s}", "5271"},
	"spec.exposure.directTLS.port":         {"Federation", "exposure: {directTLS: {port: %s}}", "5271"},
	"spec.exposure.clients.port":           {"Federation", "exposure: {clients: {port: %s}}", "5271"},
	"spec.exposure.clients.directTLS.port": {"Federation", "exposure: {clients: {directTLS: {port: %s}}}", "5271"},
	"spec.dns.ttl":                         {"Federation", "dns: {ttl: %s}", "60"},
	"spec.dns.priority":                    {"Federation", "dns: {priority: %s}", "5"},
	"spec.dns.weight":                      {"Federation", "dns: {weight: %s}", "5"},
	"spec.dns.maxCacheWait":                {"Federation", "dns: {maxCacheWait: %s}", "1h"},
	"spec.peers[].kilobytesPerSecond":      {"Federation", "peers: [{domain: peer.example, kilobytesPerSecond: %s}]", "50"},
	"spec.peers[].route.port":              {"Federation", "peers: [{domain: peer.example, route: {host: 203.0.113.9, port: %s}}]", "5269"},
	"spec.verification.interval":           {"Federation", "verification: {interval: %s}", "5m"},
	"spec.brake.federations":               {"DNSZone", "brake: {federations: %s}", "5"},
	"spec.brake.percent":                   {"DNSZone", "brake: {percent: %s}", "5"},
}

// unusual are values that one JSON decoder takes and another does not.
var unusual = []string{
	`"1e1.5"`, `"1e99999999999999999999"`, `"1e400"`, `"1e-400"`, `"1EiB"`, `"1e"`, `"+1"`, `""`, `"-"`, `"."`, `"99999999999h"`, `"1.5"`, `"5"`,
	`"5 m"`, `"1h1"`, `5000000000`, `9223372036854775808`, `1e30`, `1e3`, `1.5`, `-1`, `true`,
}

// unreadable returns what could not be read of the spec of an object.
func unreadable(object client.Object) v1alpha1.UnreadableFields {
	if zone, ok := object.(*v1alpha1.DNSZone); ok {
		return zone.Unreadable
	}
	return object.(*v1alpha1.Federation).Unreadable
}

func TestAdmissionAcceptsNothingThatTheOperatorCannotRead(t *testing.T) {
	g, c := gomega.NewWithT(t), newClient(t)
	paths := append(choosy(reflect.TypeFor[v1alpha1.FederationSpec](), "spec"), choosy(reflect.TypeFor[v1alpha1.DNSZoneSpec](), "spec")...)
	g.Expect(slices.Collect(maps.Keys(skeletons))).To(gomega.ConsistOf(paths))
	for path, skeleton := range skeletons {
		t.Run(path, func(t *testing.T) {
			g := gomega.NewWithT(t)
			accepted := func(value string) bool {
				u := object(t, skeleton.kind, fmt.Sprintf(skeleton.spec, value))
				if err := c.Create(t.Context(), u); err != nil {
					g.Expect(apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)).To(gomega.BeTrue(), "%s: %v", value, err)
					return false
				}
				defer func() { g.Expect(c.Delete(t.Context(), u)).To(gomega.Succeed()) }()
				var typed client.Object = &v1alpha1.Federation{}
				if skeleton.kind == "DNSZone" {
					typed = &v1alpha1.DNSZone{}
				}
				g.Expect(c.Get(t.Context(), client.ObjectKeyFromObject(u), typed)).To(gomega.Succeed(), value)
				g.Expect(unreadable(typed)).To(gomega.BeEmpty(), value)
				return true
			}
			g.Expect(accepted(skeleton.good)).To(gomega.BeTrue())
			for _, value := range unusual {
				accepted(value)
			}
		})
	}
}
