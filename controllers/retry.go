// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// firstRetry is the delay before the first retry after an error of the Kubernetes API. Each further error doubles it.
	firstRetry = 100 * time.Millisecond
	// lastRetryOutage caps the delay while the API server can't be reached or is overloaded. It ends for all objects at the same
	// moment, and every one of them must be looked at within seconds after that. The limits of the client keep the load down.
	lastRetryOutage = 5 * time.Second
	// lastRetryRefusal caps the delay while the API server answers, but refuses: that concerns one object, and lasts.
	lastRetryRefusal = 5 * time.Minute
	// firstConflict is the delay after a write to an object that has changed meanwhile: the cache only has to catch up.
	// Each further conflict doubles it, up to lastConflict.
	firstConflict = 50 * time.Millisecond
	lastConflict  = 5 * time.Second
)

// retries spaces the attempts that follow errors of the Kubernetes API, for each object. It is the rate limiter of a
// controller's queue. The zero value is ready to use.
type retries struct {
	mu    sync.Mutex
	known map[reconcile.Request]attempts
}

// attempts counts what went wrong with one object without a success in between.
type attempts struct {
	// errors are the returned ones, conflicts those that were made a later look of.
	errors, conflicts int
	// refused is set when the last error was an answer that another try does not change.
	refused bool
}

// settle turns the result of a reconcile into what the queue is told. A conflict is no error but another look, later from
// time to time; with any other error beside it, both are returned.
func (r *retries) settle(req reconcile.Request, result ctrl.Result, err error) (ctrl.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.known[req]
	switch {
	case err == nil:
		delete(r.known, req)
		return result, nil
	case every(err, apierrors.IsConflict):
		delay := grown(firstConflict, was.conflicts, lastConflict)
		r.put(req, attempts{conflicts: was.conflicts + 1})
		return ctrl.Result{RequeueAfter: wait.Jitter(delay, scatter)}, nil
	}
	r.put(req, attempts{errors: was.errors, refused: !some(err, outage)})
	return ctrl.Result{}, err
}

// put notes the attempts of an object. The caller holds mu.
func (r *retries) put(req reconcile.Request, now attempts) {
	if r.known == nil {
		r.known = map[reconcile.Request]attempts{}
	}
	r.known[req] = now
}

// When returns the delay before the next attempt after an error.
func (r *retries) When(req reconcile.Request) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, last := r.known[req], lastRetryOutage
	if now.refused {
		last = lastRetryRefusal
	}
	delay := grown(firstRetry, now.errors, last)
	now.errors++
	r.put(req, now)
	return wait.Jitter(delay, scatter)
}

// Forget does nothing: the queue calls it after conflicts as well. What is known of an object ends with its next success,
// and the reconcile of one that is gone is a success.
func (r *retries) Forget(reconcile.Request) {}

// NumRequeues returns the number of errors since the last success.
func (r *retries) NumRequeues(req reconcile.Request) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[req].errors
}

// grown returns the first delay, doubled the given number of times, but at most the last.
func grown(first time.Duration, times int, last time.Duration) time.Duration {
	delay := first
	for range times {
		if delay >= last {
			break
		}
		delay *= 2
	}
	return min(delay, last)
}

// outage reports whether an error says that the API server could not be reached, or could not do what it was asked: nothing
// about the object.
func outage(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := status.Status().Code
		return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout ||
			status.Status().Reason == metav1.StatusReasonTimeout
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded)
}

// every reports whether each of the errors that are joined in err, in whatever depth, is one of a kind.
func every(err error, is func(error) bool) bool {
	return !some(err, func(part error) bool { return !is(part) })
}

// some reports whether any of the errors that are joined in err, in whatever depth, is one of a kind.
func some(err error, is func(error) bool) bool {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		joined, ok := inner.(interface{ Unwrap() []error })
		if !ok {
			continue
		}
		for _, part := range joined.Unwrap() {
			if some(part, is) {
				return true
			}
		}
		return false
	}
	return is(err)
}

// settler is a reconciler whose results are settled.
type settler struct {
	reconcile.Reconciler
	retries *retries
}

func (s settler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	result, err := s.Reconciler.Reconcile(ctx, req)
	return s.retries.settle(req, result, err)
}
