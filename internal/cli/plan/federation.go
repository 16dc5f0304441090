// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/records"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// Follow tells what follows from a Federation: what its objects and records are after, compared with what they were
// before the manifest is applied. Before is nil for a new one. Both have their defaults filled in.
//
// Both sides are computed, none is read: what somebody changed by hand is no consequence of the manifest, and the
// operator takes care of it anyway.
func Follow(before, after *v1alpha1.Federation, engines map[v1alpha1.EngineName]engine.Engine) (Plan, error) {
	var plan Plan
	was := map[string]map[string]any{}
	if before != nil {
		old, err := objects(before, engines)
		if err != nil {
			return plan, err
		}
		for _, object := range old {
			was[object.key()] = object.content
		}
	}
	server := engines[after.Spec.Server.Engine]
	var unsupported *engine.UnsupportedError
	if err := server.Check(desired.ServerInput(after, "")); errors.As(err, &unsupported) {
		plan.Problems = append(plan.Problems, Problem{Object: title(after), Field: unsupported.Field, Message: unsupported.Message})
		return plan, nil
	} else if err != nil {
		return plan, fmt.Errorf("checking the spec against the engine: %w", err)
	}
	will, err := objects(after, engines)
	if err != nil {
		return plan, err
	}
	for _, object := range will {
		old, found := was[object.key()]
		plan.Objects = append(plan.Objects, object.compare(old, found))
	}
	plan.Records = compareRecords(before, after)
	return plan, nil
}

// built is an object as the operator would write it.
type built struct {
	kind, namespace, name string
	content               map[string]any
}

func (b built) key() string { return b.kind + "/" + b.name }

func (b built) compare(old map[string]any, found bool) Object {
	object := Object{Action: Create, Kind: b.kind, Namespace: b.namespace, Name: b.name}
	if !found {
		return object
	}
	object.Action, object.Fields = Unchanged, Diff(old, b.content)
	if len(object.Fields) > 0 {
		object.Action = Change
	}
	restarts := func(field Field) bool { return strings.HasPrefix(field.Path, "spec.template.") }
	immutable := func(field Field) bool { return strings.HasPrefix(field.Path, "spec.volumeClaimTemplates") }
	if b.kind == "StatefulSet" && slices.ContainsFunc(object.Fields, restarts) {
		object.Note = "this restarts the server"
	}
	if b.kind == "StatefulSet" && slices.ContainsFunc(object.Fields, immutable) {
		object.Note = "Kubernetes refuses to change the volume of a StatefulSet"
	}
	return object
}

// objects are those of a Federation. Where content comes from objects that the Federation only refers to, the reference
// stands in its place, so that a change of the reference shows.
func objects(fed *v1alpha1.Federation, engines map[v1alpha1.EngineName]engine.Engine) ([]built, error) {
	server, found := engines[fed.Spec.Server.Engine]
	if !found {
		return nil, fmt.Errorf("engine %q is not known to this version of the program", fed.Spec.Server.Engine)
	}
	config, err := server.Render(desired.ServerInput(fed, trustedCAs(fed)))
	if err != nil {
		return nil, fmt.Errorf("rendering the server's configuration: %w", err)
	}
	for name, text := range config.Files { // the generation is a hash of the rest; that it changes says nothing more
		config.Files[name] = strings.ReplaceAll(text, config.Generation, "GENERATION")
	}
	config.Generation = "GENERATION"
	all := append([]desired.Object{desired.PublicService(fed)}, desired.ServerObjects(fed, desired.Runtime{
		Engine: server, Image: "the operator's default for " + string(fed.Spec.Server.Engine), OperatorNamespace: "the operator's",
		Config: config,
	})...)
	result := make([]built, 0, len(all))
	for _, object := range all {
		kind, err := apiutil.GVKForObject(object, scheme.Scheme)
		if err != nil {
			return nil, fmt.Errorf("finding the kind of %T: %w", object, err)
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return nil, fmt.Errorf("converting %s: %w", kind.Kind, err)
		}
		delete(content["metadata"].(map[string]any), "ownerReferences")
		one := built{kind: kind.Kind, namespace: object.GetNamespace(), name: object.GetName(), content: content}
		if one.kind == "Secret" {
			content["data"] = secretSources(fed)
		}
		result = append(result, one)
	}
	return result, nil
}

// trustedCAs names where the bundle of further CAs comes from.
func trustedCAs(fed *v1alpha1.Federation) string {
	if fed.Spec.TLS == nil {
		return ""
	}
	var b strings.Builder
	for _, trusted := range fed.Spec.TLS.TrustedCAs {
		fmt.Fprintf(&b, "# key %s of ConfigMap %s\n", trusted.ConfigMapRef.Key, trusted.ConfigMapRef.Name)
	}
	return b.String()
}

// secretSources names where the contents of the server's Secret come from.
func secretSources(fed *v1alpha1.Federation) map[string]any {
	certificate, accounts := "issued by a CA of the operator's own", "none"
	if fed.Spec.TLS != nil && fed.Spec.TLS.SecretRef != nil {
		certificate = "from Secret " + fed.Spec.TLS.SecretRef.Name
	}
	if fed.Spec.Server.Accounts != nil {
		accounts = "from Secret " + fed.Spec.Server.Accounts.SecretRef.Name
	}
	return map[string]any{engine.KeyTLSCert: certificate, engine.KeyTLSKey: certificate, engine.KeyAccounts: accounts}
}

// unassigned stands for an address that is not known yet.
const unassigned = "the address that the load balancer gets"

// compareRecords tells what becomes of the records that status knows, and of those that spec asked for.
func compareRecords(before, after *v1alpha1.Federation) []Record {
	was, will := map[string]records.Record{}, map[string]records.Record{}
	if before != nil {
		for _, record := range wanted(before) {
			was[record.Type+" "+record.Name] = record
		}
		for _, known := range before.Status.Records {
			was[known.Type+" "+known.Name] = records.Record{Name: known.Name, Type: known.Type, TTL: known.TTL, Data: known.Data}
		}
	}
	var all []Record
	for _, record := range wanted(after) {
		key := record.Type + " " + record.Name
		will[key] = record
		old, found := was[key]
		one := Record{Action: Create, Name: record.Name, Type: record.Type, After: content(record)}
		if found {
			one.Action, one.Before = Change, content(old)
		}
		if one.Before == one.After {
			one.Action = Unchanged
		}
		all = append(all, one)
	}
	for key, record := range was {
		if _, stays := will[key]; !stays {
			all = append(all, Record{Action: Delete, Name: record.Name, Type: record.Type, Before: content(record)})
		}
	}
	slices.SortFunc(all, func(a, b Record) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type)) })
	return all
}

// wanted are the records of a Federation, with a place held for an address to come.
func wanted(fed *v1alpha1.Federation) []records.Record {
	list := slices.DeleteFunc(records.Of(fed).Records, func(r records.Record) bool { return r.State == records.StateLeftover })
	if len(records.Addresses(fed)) == 0 {
		list = append(list, records.Record{
			Name: desired.Hostname(fed), Type: "A", TTL: fed.Spec.DNS.TTL, Data: []string{unassigned},
		})
	}
	return list
}

func content(record records.Record) string {
	return fmt.Sprintf("%s (TTL %d)", strings.Join(record.Data, ", "), record.TTL)
}
