// SPDX-License-Identifier: Apache-2.0

// Package memkube is a Kubernetes API server in memory, for tests that need real clients and caches, many of them, and
// a clock of their own. It answers the HTTP requests of ordinary clients without a network, so that it runs in a bubble of
// testing/synctest, where time passes at once. The objects are those of controller-runtime's fake client, which brings
// server-side apply, conflicts and finalizers. This package adds what that lacks: watches that resume from a resource
// version, generations, and the defaults and validation of this project's CRDs.
//
// It knows nothing of the schemas of kinds in server-side apply, so every list is replaced as a whole; patches are not held against the
// CRDs. It has no built-in admission, no garbage collection, no access control, and no field selectors but two: the type of an event
// and the name.
package memkube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/manifest"
)

// Server is an API server. It must be made inside the bubble in which it is used.
type Server struct {
	scheme  *runtime.Scheme
	schemas manifest.Schemas
	mapper  meta.RESTMapper
	// kinds by resource. The mapper would take an empty group for any.
	kinds map[schema.GroupVersionResource]schema.GroupVersionKind
	store client.WithWatch
	// first is the resource version of a server without objects.
	first uint64

	mu       sync.Mutex
	history  []change
	watchers map[*watcher]bool
	reads    map[string]int
	writes   map[string]int
	failing  func(method, resource string) error
}

// readSchemas compiles the rules of the CRDs once for all servers.
var readSchemas = sync.OnceValues(manifest.NewSchemas)

// New returns a server without objects.
func New(scheme *runtime.Scheme) (*Server, error) {
	schemas, err := readSchemas()
	if err != nil {
		return nil, fmt.Errorf("reading the CRDs: %w", err)
	}
	mapper, kinds := newMapper(scheme)
	s := &Server{
		scheme: scheme, schemas: schemas, mapper: mapper, kinds: kinds,
		store: fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithGlobalResourceVersionCounter().
			WithTypeConverters(managedfields.NewDeducedTypeConverter()).WithReturnManagedFields().
			WithStatusSubresource(&v1alpha1.Federation{}, &v1alpha1.DNSZone{}).Build(),
		watchers: map[*watcher]bool{}, reads: map[string]int{}, writes: map[string]int{},
	}
	version, err := s.burn()
	if err != nil {
		return nil, err
	}
	s.first, err = strconv.ParseUint(version, 10, 64)
	return s, err
}

// Config is the way to the server, for any client of client-go or controller-runtime.
func (s *Server) Config() *rest.Config {
	return &rest.Config{
		Host: "http://memkube.invalid", Transport: s, QPS: -1,
		ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON},
	}
}

// Mapper returns the mapper of the kinds that the server knows. It saves clients the discovery, which the server lacks.
func (s *Server) Mapper() meta.RESTMapper { return s.mapper }

// Fail makes the server refuse each request that decide returns an error for. Nil ends it. Resource is the plural, followed
// by the subresource if there is one (federations/status).
func (s *Server) Fail(decide func(method, resource string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = decide
}

// Requests returns how many requests the server was sent so far that read, watches excepted, and that write, by resource.
func (s *Server) Requests() (reads, writes map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cloneCounts(s.reads), cloneCounts(s.writes)
}

func cloneCounts(counts map[string]int) map[string]int {
	out := make(map[string]int, len(counts))
	for resource, n := range counts {
		out[resource] = n
	}
	return out
}

// RoundTrip implements http.RoundTripper.
func (s *Server) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	body, err := readBody(req)
	if err != nil {
		return nil, err
	}
	t, err := s.parse(req)
	if err != nil {
		return respondError(req, err), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.watch {
		return s.startWatch(req, t)
	}
	if req.Method == http.MethodGet {
		s.reads[t.resource()]++
	} else {
		s.writes[t.resource()]++
	}
	if s.failing != nil {
		if err := s.failing(req.Method, t.resource()); err != nil {
			return respondError(req, err), nil
		}
	}
	answer, err := s.answer(req.Context(), req, t, body)
	if err != nil {
		return respondError(req, err), nil
	}
	return respond(req, http.StatusOK, t.shape(answer)), nil
}

func readBody(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	return io.ReadAll(req.Body)
}

func (s *Server) answer(ctx context.Context, req *http.Request, t target, body []byte) (runtime.Object, error) {
	switch {
	case req.Method == http.MethodGet && t.name == "":
		return s.list(ctx, t)
	case req.Method == http.MethodGet:
		obj := t.object()
		return obj, s.store.Get(ctx, t.key(), obj)
	case req.Method == http.MethodPost:
		return s.create(ctx, t, body)
	default:
		return s.write(ctx, req, t, body)
	}
}

func (s *Server) list(ctx context.Context, t target) (runtime.Object, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(t.kind.GroupVersion().WithKind(t.kind.Kind + "List"))
	options := &client.ListOptions{Namespace: t.namespace, LabelSelector: t.labels}
	if err := s.store.List(ctx, list, options); err != nil {
		return nil, err
	}
	items := list.Items[:0]
	for _, item := range list.Items {
		if t.selects(&item) {
			item.SetGroupVersionKind(t.kind)
			items = append(items, item)
		}
	}
	list.Items = items
	list.SetResourceVersion(strconv.FormatUint(s.version(), 10))
	return list, nil
}

func (s *Server) create(ctx context.Context, t target, body []byte) (runtime.Object, error) {
	obj, err := t.decode(body)
	if err != nil {
		return nil, err
	}
	obj.SetCreationTimestamp(metav1.Now())
	if obj.GetName() == "" && obj.GetGenerateName() != "" {
		obj.SetName(obj.GetGenerateName() + strconv.Itoa(len(s.history)))
	}
	obj.SetUID(uidOf(t, len(s.history)))
	obj.SetGeneration(1)
	if err := s.admit(ctx, t, obj); err != nil {
		return nil, err
	}
	if s.dropsStatus(t) {
		delete(obj.Object, "status")
	}
	t.name = obj.GetName()
	return s.changing(ctx, t, func() error { return s.store.Create(ctx, obj) })
}

// dropsStatus reports whether the status of an object is written through its subresource only.
func (s *Server) dropsStatus(t target) bool { return t.kind.Group == v1alpha1.GroupVersion.Group }

// admit completes and judges objects of this project's kinds by their CRDs.
func (s *Server) admit(ctx context.Context, t target, obj *unstructured.Unstructured) error {
	if !s.schemas.Known(t.kind) {
		return nil
	}
	if errs := s.schemas.Complete(ctx, obj); len(errs) > 0 {
		return apierrors.NewInvalid(t.kind.GroupKind(), obj.GetName(), errs)
	}
	return nil
}

// write carries out an update, patch or deletion.
func (s *Server) write(ctx context.Context, req *http.Request, t target, body []byte) (runtime.Object, error) {
	switch {
	case req.Method == http.MethodDelete:
		return s.remove(ctx, t, body)
	case req.Method == http.MethodPut:
		obj, err := t.decode(body)
		if err != nil {
			return nil, err
		}
		if t.subresource == "status" {
			return s.changing(ctx, t, func() error { return s.store.Status().Update(ctx, obj) })
		}
		if err := s.admit(ctx, t, obj); err != nil {
			return nil, err
		}
		return s.changing(ctx, t, func() error { return s.store.Update(ctx, obj) })
	case req.Method == http.MethodPatch && strings.HasPrefix(req.Header.Get("Content-Type"), "application/apply-patch"):
		return s.applying(ctx, req, t, body)
	case req.Method == http.MethodPatch:
		return s.patching(ctx, req, t, body)
	default:
		return nil, apierrors.NewMethodNotSupported(t.groupResource(), req.Method)
	}
}

func (s *Server) remove(ctx context.Context, t target, body []byte) (runtime.Object, error) {
	var options metav1.DeleteOptions
	if len(body) > 0 {
		if err := json.Unmarshal(body, &options); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	}
	obj := t.object()
	obj.SetNamespace(t.namespace)
	obj.SetName(t.name)
	var preconditions client.Preconditions
	if p := options.Preconditions; p != nil {
		current := t.object()
		if err := s.store.Get(ctx, t.key(), current); err != nil {
			return nil, err
		}
		if p.UID != nil && *p.UID != current.GetUID() {
			return nil, apierrors.NewConflict(t.groupResource(), t.name, fmt.Errorf("the UID is another"))
		}
		preconditions = client.Preconditions{ResourceVersion: p.ResourceVersion}
	}
	return s.changing(ctx, t, func() error { return s.store.Delete(ctx, obj, preconditions) })
}

// applying is server-side apply.
func (s *Server) applying(ctx context.Context, req *http.Request, t target, body []byte) (runtime.Object, error) {
	obj, err := t.decode(body)
	if err != nil {
		return nil, err
	}
	current := t.object()
	creates := apierrors.IsNotFound(s.store.Get(ctx, t.key(), current))
	return s.changing(ctx, t, func() error {
		options := []client.ApplyOption{client.FieldOwner(req.URL.Query().Get("fieldManager"))}
		if req.URL.Query().Get("force") == "true" {
			options = append(options, client.ForceOwnership)
		}
		if err := s.store.Apply(ctx, client.ApplyConfigurationFromUnstructured(obj), options...); err != nil || !creates {
			return err
		}
		return s.complete(ctx, t)
	})
}

// complete gives an object that apply created what the API server gives it.
func (s *Server) complete(ctx context.Context, t target) error {
	obj := t.object()
	if err := s.store.Get(ctx, t.key(), obj); err != nil {
		return err
	}
	obj.SetUID(uidOf(t, len(s.history)))
	obj.SetCreationTimestamp(metav1.Now())
	obj.SetGeneration(1)
	return s.store.Update(ctx, obj)
}

func (s *Server) patching(ctx context.Context, req *http.Request, t target, body []byte) (runtime.Object, error) {
	obj := t.object()
	obj.SetNamespace(t.namespace)
	obj.SetName(t.name)
	patch := client.RawPatch(patchType(req), body)
	return s.changing(ctx, t, func() error {
		if t.subresource == "status" {
			return s.store.Status().Patch(ctx, obj, patch)
		}
		return s.store.Patch(ctx, obj, patch)
	})
}

// changing carries out a write, counts the generation on and tells those who watch. It returns the object as it is then.
func (s *Server) changing(ctx context.Context, t target, write func() error) (runtime.Object, error) {
	before := t.object()
	existed := s.store.Get(ctx, t.key(), before) == nil
	if err := write(); err != nil {
		return nil, err
	}
	after := t.object()
	err := s.store.Get(ctx, t.key(), after)
	if apierrors.IsNotFound(err) {
		before.SetGroupVersionKind(t.kind)
		return before, s.publish(change{kind: t.kind, event: eventDeleted, object: before})
	}
	if err != nil {
		return nil, err
	}
	if existed && t.subresource == "" && specChanged(before, after) {
		after.SetGeneration(before.GetGeneration() + 1)
		if err := s.store.Update(ctx, after); err != nil {
			return nil, err
		}
	}
	after.SetGroupVersionKind(t.kind)
	event := eventModified
	if !existed {
		event = eventAdded
	}
	if existed && before.GetResourceVersion() == after.GetResourceVersion() {
		return after, nil
	}
	return after, s.publish(change{kind: t.kind, event: event, object: after})
}

func specChanged(before, after *unstructured.Unstructured) bool {
	deleting := before.GetDeletionTimestamp().IsZero() && !after.GetDeletionTimestamp().IsZero()
	a, errA := json.Marshal(before.Object["spec"])
	b, errB := json.Marshal(after.Object["spec"])
	return deleting || errA != nil || errB != nil || !bytes.Equal(a, b)
}

// selects applies the only field selector that is known: the type of events.
func (t target) selects(obj *unstructured.Unstructured) bool {
	if t.labels != nil && !t.labels.Matches(labelSet(obj)) {
		return false
	}
	if t.namespace != "" && obj.GetNamespace() != t.namespace {
		return false
	}
	if kind, wanted := t.fields.RequiresExactMatch("type"); wanted && t.kind == corev1.SchemeGroupVersion.WithKind("Event") {
		found, _, err := unstructured.NestedString(obj.Object, "type")
		return err == nil && found == kind
	}
	if name, wanted := t.fields.RequiresExactMatch("metadata.name"); wanted {
		return obj.GetName() == name
	}
	return true
}

// newMapper maps every kind of the scheme that is an object.
func newMapper(scheme *runtime.Scheme) (meta.RESTMapper, map[schema.GroupVersionResource]schema.GroupVersionKind) {
	mapper := meta.NewDefaultRESTMapper(scheme.PrioritizedVersionsAllGroups())
	kinds := map[schema.GroupVersionResource]schema.GroupVersionKind{}
	for kind := range scheme.AllKnownTypes() {
		obj, err := scheme.New(kind)
		if _, isObject := obj.(client.Object); err == nil && isObject && kind.Version != runtime.APIVersionInternal {
			mapper.Add(kind, scopeOf(kind))
			plural, _ := meta.UnsafeGuessKindToResource(kind)
			kinds[plural] = kind
		}
	}
	return mapper, kinds
}
