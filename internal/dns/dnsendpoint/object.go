// SPDX-License-Identifier: Apache-2.0

package dnsendpoint

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// Kind of the objects, which ExternalDNS defines.
var Kind = schema.GroupVersionKind{Group: "externaldns.k8s.io", Version: "v1alpha1", Kind: "DNSEndpoint"}

// Labels of all objects: the first is for ExternalDNS' --label-filter, the second is "true" on those that have something in
// annotationFormer.
const (
	labelManagedBy = "app.kubernetes.io/managed-by"
	managedBy      = "xmppfed"
	labelFormer    = "xmppfed.io/former-records"
)

// Annotations of all objects. They are empty rather than absent: as every apply sets the same fields, none is left behind.
const (
	// annotationOwnership holds the ownership record, in the form of an endpoint.
	annotationOwnership = "xmppfed.io/ownership"
	// annotationFormer holds what was handed over and is no longer wanted, see former.
	annotationFormer = "xmppfed.io/former-records"
)

// endpoint is ExternalDNS' view of a record set.
type endpoint struct {
	DNSName    string   `json:"dnsName"`
	RecordType string   `json:"recordType"`
	RecordTTL  int64    `json:"recordTTL,omitempty"`
	Targets    []string `json:"targets,omitempty"`
}

// former are record sets that were handed over, the last of them given up at Since.
type former struct {
	Since     time.Time  `json:"since"`
	Endpoints []endpoint `json:"endpoints"`
}

// object is a DNSEndpoint. It need not exist.
type object struct {
	*unstructured.Unstructured
}

func newObject(namespace, name string) object {
	o := object{&unstructured.Unstructured{}}
	o.SetGroupVersionKind(Kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func (o object) exists() bool { return o.GetUID() != "" }

// foreign reports whether somebody else wrote the object.
func (o object) foreign() bool { return o.exists() && o.GetLabels()[labelManagedBy] != managedBy }

// placeOf is the name of the object that has the record set.
func placeOf(k dns.Key) string {
	name := dns.Display(k.Name)
	switch ownership, index := dns.Ownership(k); {
	case index:
		owner, apex, _ := strings.Cut(name, "._xmppfed.")
		return "index." + owner + "." + apex
	case ownership:
		return "records." + strings.TrimPrefix(name, "own._xmppfed.")
	}
	for strings.HasPrefix(name, "_") {
		_, name, _ = strings.Cut(name, ".")
	}
	return "records." + name
}

// endpoints that are handed over.
func (o object) endpoints() []endpoint {
	spec, _, _ := unstructured.NestedMap(o.Object, "spec")
	var content struct {
		Endpoints []endpoint `json:"endpoints"`
	}
	// What somebody made unreadable is not what is wanted, and is written anew.
	_ = runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &content)
	return content.Endpoints
}

// get the record set from the object: an ownership record or what is handed over, in the form that bare asks for. An object of
// somebody else has a text in place of the ownership record, and nothing else that counts.
func (o object) get(k dns.Key, bare bool) (dns.RRset, bool) {
	ownership, _ := dns.Ownership(k)
	if o.foreign() {
		text := dns.TXT{"DNSEndpoint " + o.GetName() + " of somebody else"}
		return dns.RRset{Name: k.Name, Type: k.Type, Data: []dns.Data{text}}, ownership
	}
	if ownership {
		var e endpoint
		err := json.Unmarshal([]byte(o.GetAnnotations()[annotationOwnership]), &e)
		return dns.RRset{Name: k.Name, Type: k.Type, TTL: uint32(e.RecordTTL), Data: []dns.Data{dns.TXT(e.Targets)}}, err == nil
	}
	for _, e := range o.endpoints() {
		if e.key() == k {
			return e.setIn(bare), true
		}
	}
	return dns.RRset{}, false
}

// former is what was handed over once.
func (o object) former() former {
	var f former
	_ = json.Unmarshal([]byte(o.GetAnnotations()[annotationFormer]), &f) // as in endpoints
	return f
}

// had tells whether the record set was handed over once, with this data, and may stand in the zone for that reason.
func (o object) had(set dns.RRset) bool {
	return slices.ContainsFunc(o.former().Endpoints, func(e endpoint) bool { return e.set().SameData(set) })
}

// with is the object after a change, to be applied: what this package writes, as it was read before.
func (o object) with(put []dns.RRset, drop []dns.Key, bare bool, now time.Time) object {
	endpoints, old := o.endpoints(), o.former()
	ownership := o.GetAnnotations()[annotationOwnership]
	take := func(k dns.Key) {
		for _, e := range endpoints {
			if e.key() == k {
				old = former{now, append(old.Endpoints, e)}
			}
		}
		endpoints = slices.DeleteFunc(endpoints, func(e endpoint) bool { return e.key() == k })
	}
	for _, k := range drop {
		if is, _ := dns.Ownership(k); is {
			ownership = ""
		}
		take(k)
	}
	for _, set := range put {
		if text, ok := set.Data[0].(dns.TXT); ok {
			ownership = encode(endpoint{
				DNSName: dns.Display(set.Name), RecordType: set.TypeName(), RecordTTL: int64(set.TTL), Targets: text,
			})
			continue
		}
		take(set.Key())
		endpoints = append(endpoints, toEndpoint(set, bare))
	}
	// What is wanted again is not former any more.
	old.Endpoints = slices.DeleteFunc(old.Endpoints, func(e endpoint) bool {
		return slices.ContainsFunc(endpoints, func(now endpoint) bool { return now.set().SameData(e.set()) })
	})
	slices.SortFunc(endpoints, func(a, b endpoint) int { return strings.Compare(a.key().String(), b.key().String()) })
	return o.holding(ownership, old, endpoints)
}

// withoutFormer is the object after what was handed over once is forgotten.
func (o object) withoutFormer() object {
	return o.holding(o.GetAnnotations()[annotationOwnership], former{}, o.endpoints())
}

// formerSince is the object with another time at which the last of what was handed over once was given up.
func (o object) formerSince(since time.Time) object {
	return o.holding(o.GetAnnotations()[annotationOwnership], former{since, o.former().Endpoints}, o.endpoints())
}

// holding is an object to be applied in place of o as it was read: UID and resource version are those of o, so the API
// server refuses it when another object is there by then.
func (o object) holding(ownership string, old former, endpoints []endpoint) object {
	out := newObject(o.GetNamespace(), o.GetName())
	out.SetUID(o.GetUID())
	out.SetResourceVersion(o.GetResourceVersion())
	list := make([]any, 0, len(endpoints))
	for _, e := range endpoints {
		targets := make([]any, 0, len(e.Targets))
		for _, t := range e.Targets {
			targets = append(targets, t)
		}
		list = append(list, map[string]any{
			"dnsName": e.DNSName, "recordType": e.RecordType, "recordTTL": e.RecordTTL, "targets": targets,
		})
	}
	out.Object["spec"] = map[string]any{"endpoints": list}
	remembered := ""
	if len(old.Endpoints) > 0 {
		remembered = encode(old)
	}
	out.SetAnnotations(map[string]string{annotationOwnership: ownership, annotationFormer: remembered})
	out.SetLabels(map[string]string{labelManagedBy: managedBy, labelFormer: strconv.FormatBool(remembered != "")})
	return out
}

// encode as JSON, which strings, numbers and times always can be.
func encode(value any) string {
	encoded, _ := json.Marshal(value)
	return string(encoded)
}

// empty tells that nothing is left to say.
func (o object) empty() bool {
	annotations := o.GetAnnotations()
	return len(o.endpoints()) == 0 && annotations[annotationOwnership] == "" && annotations[annotationFormer] == ""
}

func toEndpoint(set dns.RRset, bare bool) endpoint {
	e := endpoint{
		DNSName: dns.Display(set.Name), RecordType: set.TypeName(), RecordTTL: int64(set.TTL), Targets: set.Strings(),
	}
	for i, target := range e.Targets {
		if bare {
			e.Targets[i] = strings.TrimSuffix(target, ".")
		}
	}
	return e
}

func (e endpoint) key() dns.Key {
	empty, _ := dns.ParseRRset(e.DNSName, e.RecordType, 0, nil) // only data can be wrong
	return empty.Key()
}

// set reads an endpoint. What can't be read becomes text, which equals nothing that is wanted.
func (e endpoint) set() dns.RRset {
	targets := slices.Clone(e.Targets)
	for i, target := range targets {
		if e.RecordType == dns.TypeName(dns.TypeSRV) {
			targets[i] = dns.Canonical(target)
		}
	}
	set, err := dns.ParseRRset(e.DNSName, e.RecordType, uint32(e.RecordTTL), targets)
	if err != nil {
		return e.text()
	}
	return set
}

// setIn reads an endpoint as set does, save that service records whose targets are in the other form are text too: ExternalDNS
// leaves them out, so they have to be written anew.
func (e endpoint) setIn(bare bool) dns.RRset {
	other := func(target string) bool { return strings.HasSuffix(target, ".") == bare }
	if e.RecordType == dns.TypeName(dns.TypeSRV) && slices.ContainsFunc(e.Targets, other) {
		return e.text()
	}
	return e.set()
}

func (e endpoint) text() dns.RRset {
	k := e.key()
	return dns.RRset{Name: k.Name, Type: k.Type, TTL: uint32(e.RecordTTL), Data: []dns.Data{dns.TXT(e.Targets)}}
}
