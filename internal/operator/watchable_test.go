// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// forbidding returns a client that may not list a kind in a namespace, as long as forbidden says so.
func forbidding(t *testing.T, kind, namespace string, forbidden func() error) client.Client {
	t.Helper()
	return newFake(t).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			var asked client.ListOptions
			asked.ApplyOptions(opts)
			if asked.Namespace == namespace && list.GetObjectKind().GroupVersionKind().Kind == kind+"List" {
				if err := forbidden(); err != nil {
					return err
				}
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
}

func noRight() error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("no right in the namespace gone"))
}

func TestSplitWatchable_LeavesOutANamespaceInWhichOneKindIsForbidden(t *testing.T) {
	for _, kind := range watchedKinds {
		c := forbidding(t, kind.Kind, "gone", noRight)
		usable, left, err := splitWatchable(t.Context(), c, []string{"chat", "gone", "talk"})
		if err != nil || !slices.Equal(usable, []string{"chat", "talk"}) || !strings.Contains(left["gone"], "no right") {
			t.Errorf("%s: got %v, %v and %v", kind.Kind, usable, left, err)
		}
	}
	c := forbidding(t, "Secret", "gone", func() error { return errors.New("connection refused") })
	if _, _, err := splitWatchable(t.Context(), c, []string{"chat", "gone"}); err == nil || !strings.Contains(err.Error(), "namespace gone") {
		t.Errorf("an API server that is away is taken for a right that is missing: %v", err)
	}
}

func TestInstallation_NamespacesThatCanNotBeWatchedAreToldOnceAndComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		right := noRight
		c := forbidding(t, "Secret", "gone", func() error { return right() })
		this := install(c, "one", "gone")
		this.probes = &probes{watched: &watched{now: time.Now}}
		found := make(chan []string, 1)
		go func() {
			usable, _ := this.awaitWatchable(t.Context(), []string{"gone"})
			found <- usable
		}()
		time.Sleep(time.Minute) // in the synctest bubble, where it takes no time
		if code, text := this.probes.answer(); code != http.StatusServiceUnavailable || !strings.Contains(text, "waiting for the right") ||
			!strings.Contains(text, "Federations in namespace gone are not served: ") {
			t.Errorf("got %d %s", code, text)
		}
		if got := reasons(t, c, "one"); !slices.Equal(got, []string{"NamespaceNotWatched"}) {
			t.Errorf("got events %v", got)
		}
		ended := make(chan error, 1)
		go func() { ended <- returning{c, []string{"gone"}}.Start(t.Context()) }()
		time.Sleep(time.Minute)
		right = func() error { return nil }
		if usable := <-found; !slices.Equal(usable, []string{"gone"}) {
			t.Errorf("got %v", usable)
		}
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "gone") {
			t.Errorf("it ended with %v", err)
		}
	})
}

func TestProbes_AreNotOKUntilAllIsReadAndSayWhatCanNotBe(t *testing.T) {
	now := time.Now()
	seen := &watched{now: func() time.Time { return now }}
	p := &probes{watched: seen}
	seen.noteError(noRight())
	seen.noteError(io.EOF)
	code, text := p.answer()
	if code != http.StatusServiceUnavailable || !strings.Contains(text, "no right in the namespace gone; the cluster's administrator") ||
		strings.Contains(text, "EOF") {
		t.Errorf("got %d %s", code, text)
	}
	seen.leaveOut(map[string]string{"gone": "no right"})
	seen.fill()
	if code, text = p.answer(); code != http.StatusOK || !strings.Contains(text, "no right in the namespace gone") ||
		!strings.Contains(text, "Federations in namespace gone are not served") {
		t.Errorf("others are served: got %d %s", code, text)
	}
	seen.leaveOut(nil)
	now = now.Add(failingFor)
	if code, text = p.answer(); code != http.StatusOK || strings.TrimSpace(text) != "ok" {
		t.Errorf("all is well again: got %d %s", code, text)
	}
}

func TestEnding_DoesNotWaitForAManagerThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		release := make(chan struct{})
		if err := ending(ctx, func(context.Context) error { <-release; return nil }); err == nil {
			t.Error("it says that all has ended")
		}
		close(release)
		if err := ending(ctx, func(context.Context) error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", err)
		}
	})
}
