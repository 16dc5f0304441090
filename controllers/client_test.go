// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
)

// failure is what a later write fails with, once.
type failure struct {
	err error
	// after is how many writes of the kind succeed before.
	after int
}

// fail lets a write of a kind, such as "apply Service", fail after some more of them.
func (w *world) fail(write string, err error, after int) { w.failures[write] = failure{err, after} }

// failing is what the next write of a kind fails with, if anything.
func (w *world) failing(verb string, obj client.Object) error {
	write := verb + " " + kindOf(obj)
	next, found := w.failures[write]
	switch {
	case !found:
		return nil
	case next.after > 0:
		w.failures[write] = failure{next.err, next.after - 1}
		return nil
	}
	delete(w.failures, write)
	return next.err
}

// indexes are the functions by which the cache of a real operator indexes Federations and DNSZones.
type indexes map[string]client.IndexerFunc

func (i indexes) IndexField(_ context.Context, _ client.Object, field string, extract client.IndexerFunc) error {
	i[field] = extract
	return nil
}

// notingClient reads from the API server, always up to date, and writes to it and to the journal. It has no cache;
// what a cache looks up by index it finds by the same functions.
func (w *world) notingClient(live client.WithWatch) client.WithWatch {
	w.t.Helper()
	byField := indexes{}
	w.Expect(controllers.IndexFederations(w.t.Context(), byField)).To(gomega.Succeed())
	note := func(verb string, obj client.Object, write func() error) error {
		if err := w.failing(verb, obj); err != nil {
			return err
		}
		err := write()
		if err == nil {
			w.note(verb, kindOf(obj)+" "+obj.GetName())
		}
		return err
	}
	return interceptor.NewClient(live, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			switch list := list.(type) {
			case *v1alpha1.FederationList:
				return listByIndex(ctx, c, byField, list, opts)
			case *v1alpha1.DNSZoneList:
				return listByIndex(ctx, c, byField, list, opts)
			}
			return c.List(ctx, list, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return note("create", obj, func() error { return c.Create(ctx, obj, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			return note("update", obj, func() error { return c.Update(ctx, obj, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			return note("delete", obj, func() error { return c.Delete(ctx, obj, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, p client.Patch, opts ...client.PatchOption) error {
			return note("patch", obj, func() error { return c.Patch(ctx, obj, p, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return note("apply", obj.(client.Object), func() error { return c.Apply(ctx, obj, opts...) })
		},
		SubResourcePatch: func(
			ctx context.Context, c client.Client, sub string, obj client.Object, p client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			return note("patch "+sub+" of", obj, func() error { return c.SubResource(sub).Patch(ctx, obj, p, opts...) })
		},
	})
}

func listByIndex(ctx context.Context, c client.Client, byField indexes, list client.ObjectList, opts []client.ListOption) error {
	options := (&client.ListOptions{}).ApplyOptions(opts)
	selector := options.FieldSelector
	options.FieldSelector = nil
	if err := c.List(ctx, list, options); err != nil || selector == nil {
		return err
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	for _, want := range selector.Requirements() {
		extract, found := byField[want.Field]
		if !found {
			return fmt.Errorf("no index by field %s", want.Field)
		}
		items = slices.DeleteFunc(items, func(item runtime.Object) bool {
			return !slices.Contains(extract(item.(client.Object)), want.Value)
		})
	}
	return meta.SetList(list, items)
}

var generationInConfig = regexp.MustCompile(`generation\W+([0-9a-f]{16})\b`)

// renderedGeneration is the generation that the configuration tells the server.
func renderedGeneration(files map[string]string) (string, error) {
	for name, text := range files {
		if match := generationInConfig.FindStringSubmatch(text); match != nil && strings.HasSuffix(name, ".lua") {
			return match[1], nil
		}
	}
	return "", fmt.Errorf("no generation in the configuration")
}

// isBookkeeping tells a line of the zone that no partner asks for.
func isBookkeeping(line string) bool {
	return strings.Contains(line, "_xmppfed.") || strings.HasPrefix(line, "ns1.cupdomain.com.")
}
