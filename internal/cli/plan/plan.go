// SPDX-License-Identifier: Apache-2.0

// Package plan tells what follows from a change of manifests: which Kubernetes objects and which DNS records come, change
// and go. It is pure, and decides nothing itself: what a Federation becomes is the business of internal/desired.
package plan

import (
	"fmt"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Action is what becomes of something.
type Action string

// Actions.
const (
	Create    Action = "create"
	Change    Action = "change"
	Delete    Action = "delete"
	Unchanged Action = "unchanged"
)

// Plan is what applying manifests would do.
type Plan struct {
	Objects []Object `json:"objects"`
	Records []Record `json:"records"`
	// Problems keep the manifests from being applied, or from being carried out once they are.
	Problems []Problem `json:"problems,omitempty"`
}

// Object is what becomes of one Kubernetes object.
type Object struct {
	Action    Action `json:"action"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Fields that differ; only with action change.
	Fields []Field `json:"fields,omitempty"`
	// Note says what else to know.
	Note string `json:"note,omitempty"`
}

// Title names an object.
func Title(kind, namespace, name string) string {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return kind + " " + name
}

// Record is what becomes of one DNS record set.
type Record struct {
	Action Action `json:"action"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	// Before and After are the data in presentation form, with the TTL.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Problem is why a manifest can't be applied or carried out.
type Problem struct {
	// Object that it is about.
	Object string `json:"object"`
	// Field is its path within the object, where it is about one.
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
	// Reason is that of the condition Accepted that the object would get; empty where the API server refuses the object.
	Reason string `json:"reason,omitempty"`
}

// Add appends the consequences of one more manifest.
func (p *Plan) Add(other Plan) {
	p.Objects = append(p.Objects, other.Objects...)
	p.Records = append(p.Records, other.Records...)
	p.Problems = append(p.Problems, other.Problems...)
}

// title of a Federation.
func title(fed *v1alpha1.Federation) string { return Title("Federation", fed.Namespace, fed.Name) }

// summary counts what is planned.
func (p Plan) summary() string {
	objects, records := map[Action]int{}, map[Action]int{}
	for _, object := range p.Objects {
		objects[object.Action]++
	}
	for _, record := range p.Records {
		records[record.Action]++
	}
	var lines string
	for _, total := range []struct {
		what  string
		count map[Action]int
	}{{"Objects", objects}, {"Records", records}} {
		if len(total.count) > 0 {
			lines += fmt.Sprintf("%s: %d to create, %d to change, %d to delete, %d unchanged\n", total.what,
				total.count[Create], total.count[Change], total.count[Delete], total.count[Unchanged])
		}
	}
	if problems := len(p.Problems); problems > 0 {
		lines += fmt.Sprintf("Problems: %d\n", problems)
	}
	return lines
}
