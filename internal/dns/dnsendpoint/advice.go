// SPDX-License-Identifier: Apache-2.0

package dnsendpoint

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// Advice tells which setting of ExternalDNS explains what the servers serve.
func (p *Provider) Advice(ctx context.Context, lag dns.Lag) string {
	if len(lag.Missing) == 0 {
		return p.adviceOnRemaining(lag.Remaining[0])
	}
	late := lag.Missing[0]
	objects, err := p.read(ctx, lag.Missing)
	if err != nil {
		return "it is not known why, as the DNSEndpoint can't be read; look into the log of ExternalDNS"
	}
	o := objects[placeOf(late)]
	if !o.observed() {
		return fmt.Sprintf("no ExternalDNS says that it has read DNSEndpoint %s/%s; if this lasts longer than its --interval, the "+
			"platform team runs ExternalDNS with --source=crd, and with a --namespace, --label-filter and --annotation-filter that "+
			"let the object pass", p.Namespace, o.GetName())
	}
	// Where an answer can't be had, it counts as none.
	seen, _ := p.Reader.Get(ctx, late)
	switch published := typesOf(lag.Served); {
	case len(seen) > 0:
		return p.adviceOnDifferent(late)
	case len(published) > 0 && !slices.Contains(published, late.Type):
		return p.adviceOnType(late)
	default:
		return fmt.Sprintf("ExternalDNS has read DNSEndpoint %s/%s but not published it; if this lasts longer than its --interval, the "+
			"platform team sees to it that --domain-filter and --zone-id-filter include %s and --managed-record-types includes %s, "+
			"and looks into its log", p.Namespace, o.GetName(), dns.Display(p.Apex()), dns.TypeName(late.Type))
	}
}

// observed tells whether ExternalDNS has read the object as it is now. That is all that its status says.
func (o object) observed() bool {
	generation, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	return generation == o.GetGeneration()
}

func typesOf(keys []dns.Key) []uint16 {
	var types []uint16
	for _, k := range keys {
		types = append(types, k.Type)
	}
	return types
}

func (p *Provider) adviceOnType(late dns.Key) string {
	name := dns.TypeName(late.Type)
	advice := fmt.Sprintf("ExternalDNS publishes other records but none of type %s; if this lasts longer than its --interval, the "+
		"platform team runs it with --managed-record-types=%s beside those for A and AAAA", name, name)
	if late.Type == dns.TypeSRV {
		other := "Bare, for ExternalDNS up to version 0.20"
		if p.BareTargets {
			other = "Dotted, for ExternalDNS from version 0.22"
		}
		advice += ", or sets spec.provider.dnsEndpoint.srvTargets of the DNSZone to " + other
	}
	return advice
}

// notKnownAgain says which records ExternalDNS creates but never changes or removes.
const notKnownAgain = "its registry txt up to version 0.20 and its provider rfc2136 know no service record"

func (p *Provider) adviceOnDifferent(late dns.Key) string {
	return fmt.Sprintf("other data stands there; if this lasts longer than the --interval of ExternalDNS, the platform team runs it with "+
		"--policy=sync, and the administrator of zone %s removes %s if ExternalDNS did not write it, or does not know it again, as %s",
		dns.Display(p.Apex()), late, notKnownAgain)
}

func (p *Provider) adviceOnRemaining(late dns.Key) string {
	return fmt.Sprintf("if this lasts longer than the --interval of ExternalDNS, the platform team runs it with --policy=sync, without "+
		"which it removes nothing, and with the --txt-owner-id with which it wrote the record; if it does not know the record again, as "+
		"%s, the administrator of zone %s removes %s", notKnownAgain, dns.Display(p.Apex()), late)
}
