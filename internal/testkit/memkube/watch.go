// SPDX-License-Identifier: Apache-2.0

package memkube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kinds of events, as watches name them.
const (
	eventAdded    = "ADDED"
	eventModified = "MODIFIED"
	eventDeleted  = "DELETED"
	eventBookmark = "BOOKMARK"
)

// change is one entry of the history that watches read.
type change struct {
	kind    schema.GroupVersionKind
	event   string
	object  *unstructured.Unstructured
	version uint64
}

// watcher is one watch. Events wait in a queue without limit, as a write must not wait for those who watch.
type watcher struct {
	target
	// known are the objects that the client knows of, which decides what an event is to it.
	known   map[string]bool
	pending chan struct{}
	queue   [][]byte
}

// version is the resource version of the newest change.
func (s *Server) version() uint64 {
	if len(s.history) == 0 {
		return s.first
	}
	return s.history[len(s.history)-1].version
}

// publish notes a change and passes it on.
func (s *Server) publish(c change) error {
	if c.event == eventDeleted {
		version, err := s.burn()
		if err != nil {
			return err
		}
		c.object.SetResourceVersion(version)
	}
	version, err := strconv.ParseUint(c.object.GetResourceVersion(), 10, 64)
	if err != nil {
		return fmt.Errorf("reading the version of %s %s: %w", c.kind.Kind, c.object.GetName(), err)
	}
	c.version, c.object = version, c.object.DeepCopy()
	s.history = append(s.history, c)
	for w := range s.watchers {
		w.offer(c)
	}
	return nil
}

// burn returns a resource version that no object has: a deletion has one of its own, and the store has no such thing.
func (s *Server) burn() (string, error) {
	unseen := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "memkube", Name: "version"}}
	if err := s.store.Create(context.Background(), unseen); err != nil {
		return "", fmt.Errorf("making a version: %w", err)
	}
	return unseen.ResourceVersion, s.store.Delete(context.Background(), unseen)
}

// offer passes on a change that concerns the watch. An object that no longer matches is gone to those who watch.
func (w *watcher) offer(c change) {
	if c.kind != w.kind {
		return
	}
	key := c.object.GetNamespace() + "/" + c.object.GetName()
	event, selected := c.event, w.selects(c.object)
	switch {
	case !selected && !w.known[key]:
		return
	case !selected:
		event = eventDeleted
	case event == eventAdded && w.known[key]:
		event = eventModified
	case event == eventModified && !w.known[key]:
		event = eventAdded
	}
	if event == eventDeleted {
		delete(w.known, key)
	} else {
		w.known[key] = true
	}
	w.send(event, w.shape(c.object))
}

func (w *watcher) send(event string, object any) {
	line, err := json.Marshal(map[string]any{"type": event, "object": object})
	if err != nil {
		panic(err) // what was stored as JSON is JSON
	}
	w.queue = append(w.queue, line)
	select {
	case w.pending <- struct{}{}:
	default:
	}
}

// startWatch answers with a stream of events since the version that the client knows, or, if the client asks so, with all
// objects first (sendInitialEvents).
func (s *Server) startWatch(req *http.Request, t target) (*http.Response, error) {
	w := &watcher{target: t, known: map[string]bool{}, pending: make(chan struct{}, 1)}
	query := req.URL.Query()
	since, err := strconv.ParseUint(query.Get("resourceVersion"), 10, 64)
	initial := query.Get("sendInitialEvents") == "true"
	if err != nil || initial {
		since = 0
	}
	for _, c := range s.history {
		if c.version <= since {
			w.learn(c)
			continue
		}
		w.offer(c)
	}
	if initial {
		bookmark := t.object()
		bookmark.SetResourceVersion(strconv.FormatUint(s.version(), 10))
		bookmark.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
		w.send(eventBookmark, w.shape(bookmark))
	}
	s.watchers[w] = true
	reader, writer := io.Pipe()
	go s.stream(req, w, writer)
	return &http.Response{
		StatusCode: http.StatusOK, Status: "OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {runtime.ContentTypeJSON}}, Body: quiet{reader},
	}, nil
}

// quiet is the body of a watch. A client that has closed it finds its end there in place of an error: it would pass an error on as an
// event, to somebody who takes no more, and its goroutine would stay for ever.
type quiet struct{ *io.PipeReader }

func (q quiet) Read(p []byte) (int, error) {
	n, err := q.PipeReader.Read(p)
	if errors.Is(err, io.ErrClosedPipe) {
		err = io.EOF
	}
	return n, err
}

// learn notes what the client knows from its list.
func (w *watcher) learn(c change) {
	key := c.object.GetNamespace() + "/" + c.object.GetName()
	if c.kind == w.kind {
		w.known[key] = c.event != eventDeleted && w.selects(c.object)
	}
}

func (s *Server) stream(req *http.Request, w *watcher, writer *io.PipeWriter) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, w)
	}()
	for {
		select {
		case <-req.Context().Done():
			_ = writer.Close() // see quiet
			return
		case <-w.pending:
		}
		s.mu.Lock()
		lines := w.queue
		w.queue = nil
		s.mu.Unlock()
		for _, line := range lines {
			if _, err := writer.Write(append(line, '\n')); err != nil {
				return
			}
		}
	}
}
