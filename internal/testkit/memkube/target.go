// SPDX-License-Identifier: Apache-2.0

package memkube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// target is what a request is about.
type target struct {
	kind        schema.GroupVersionKind
	plural      string
	namespace   string
	name        string
	subresource string
	labels      labels.Selector
	fields      fields.Selector
	watch       bool
	// metadataOnly is set when the client asks for metadata in place of whole objects.
	metadataOnly bool
}

func (t target) resource() string {
	if t.subresource != "" {
		return t.plural + "/" + t.subresource
	}
	return t.plural
}

func (t target) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: t.kind.Group, Resource: t.plural}
}

func (t target) key() client.ObjectKey { return client.ObjectKey{Namespace: t.namespace, Name: t.name} }

func (t target) object() *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(t.kind)
	return obj
}

func (t target) decode(body []byte) (*unstructured.Unstructured, error) {
	obj := t.object()
	if err := utiljson.Unmarshal(body, &obj.Object); err != nil {
		return nil, apierrors.NewBadRequest("decoding the body: " + err.Error())
	}
	obj.SetGroupVersionKind(t.kind)
	obj.SetNamespace(t.namespace)
	if t.name != "" {
		obj.SetName(t.name)
	}
	return obj, nil
}

// parse reads a path such as /apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME/SUBRESOURCE.
func (s *Server) parse(req *http.Request) (target, error) {
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	var version schema.GroupVersion
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		version, parts = schema.GroupVersion{Version: parts[1]}, parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		version, parts = schema.GroupVersion{Group: parts[1], Version: parts[2]}, parts[3:]
	default:
		return target{}, apierrors.NewNotFound(schema.GroupResource{}, req.URL.Path)
	}
	var t target
	if parts[0] == "namespaces" && len(parts) > 2 && parts[2] != "status" {
		t.namespace, parts = parts[1], parts[2:]
	}
	t.plural = parts[0]
	for i, into := range []*string{&t.name, &t.subresource} {
		if len(parts) > i+1 {
			*into = parts[i+1]
		}
	}
	kind, known := s.kinds[version.WithResource(t.plural)]
	if !known {
		return target{}, apierrors.NewNotFound(schema.GroupResource{Group: version.Group, Resource: t.plural}, t.name)
	}
	t.kind = kind
	var err error
	query := req.URL.Query()
	t.watch = query.Get("watch") == "true" || query.Get("watch") == "1"
	t.metadataOnly = strings.Contains(req.Header.Get("Accept"), "as=PartialObjectMetadata")
	if t.labels, err = labels.Parse(query.Get("labelSelector")); err != nil {
		return target{}, apierrors.NewBadRequest(err.Error())
	}
	if t.fields, err = fields.ParseSelector(query.Get("fieldSelector")); err != nil {
		return target{}, apierrors.NewBadRequest(err.Error())
	}
	return t, nil
}

func patchType(req *http.Request) types.PatchType {
	return types.PatchType(req.Header.Get("Content-Type"))
}

func labelSet(obj *unstructured.Unstructured) labels.Set { return labels.Set(obj.GetLabels()) }

// uidOf makes up a UID. The number tells objects of one name apart.
func uidOf(t target, number int) types.UID {
	return types.UID(fmt.Sprintf("%s-%s-%s-%d", t.plural, t.namespace, t.name, number))
}

// clusterScoped are the kinds outside namespaces that the operator and its tests use.
var clusterScoped = map[string]bool{"Namespace": true, "Node": true, "PersistentVolume": true, "DNSZone": true, "StorageClass": true}

func scopeOf(kind schema.GroupVersionKind) meta.RESTScope {
	if clusterScoped[kind.Kind] {
		return meta.RESTScopeRoot
	}
	return meta.RESTScopeNamespace
}

// shape gives an answer the form that was asked for.
func (t target) shape(answer runtime.Object) runtime.Object {
	if !t.metadataOnly {
		return answer
	}
	switch obj := answer.(type) {
	case *unstructured.UnstructuredList:
		list := &metav1.PartialObjectMetadataList{ListMeta: metav1.ListMeta{ResourceVersion: obj.GetResourceVersion()}}
		list.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadataList"))
		for i := range obj.Items {
			list.Items = append(list.Items, *metadataOf(&obj.Items[i]))
		}
		return list
	case *unstructured.Unstructured:
		return metadataOf(obj)
	default:
		return answer
	}
}

func metadataOf(obj *unstructured.Unstructured) *metav1.PartialObjectMetadata {
	partial := meta.AsPartialObjectMetadata(obj)
	partial.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata"))
	return partial
}

func respond(req *http.Request, code int, answer any) *http.Response {
	body, err := json.Marshal(answer)
	if err != nil {
		return respondError(req, err)
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {runtime.ContentTypeJSON}}, Body: io.NopCloser(bytes.NewReader(body)),
	}
}

func respondError(req *http.Request, err error) *http.Response {
	status := apierrors.NewInternalError(err).Status()
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		status = known.Status()
	}
	status.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Status"})
	return respond(req, int(status.Code), status)
}
