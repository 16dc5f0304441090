// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"net/http"
	"testing"
)

// slowAPI answers a request when it is told to.
type slowAPI struct {
	arrived chan *http.Request
	answer  chan struct{}
}

func (s slowAPI) RoundTrip(request *http.Request) (*http.Response, error) {
	s.arrived <- request
	<-s.answer
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func TestRequestsBeyondTheLimitWaitAndWatchesDoNot(t *testing.T) {
	s := slowAPI{make(chan *http.Request), make(chan struct{})}
	wrap := limitInFlight(1)
	first, second := wrap(s), wrap(s)
	ask := func(ctx context.Context, client http.RoundTripper, url string) <-chan error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			answer, err := client.RoundTrip(request)
			if err == nil {
				answer.Body.Close()
			}
			done <- err
		}()
		return done
	}
	one := ask(t.Context(), first, "https://api/pods")
	<-s.arrived
	waiting, giveUp := context.WithCancel(t.Context())
	given := ask(waiting, second, "https://api/secrets")
	watch := ask(t.Context(), second, "https://api/pods?watch=true")
	if request := <-s.arrived; request.URL.RawQuery == "" {
		t.Errorf("%s did not wait", request.URL)
	}
	giveUp()
	if err := <-given; !errors.Is(err, context.Canceled) {
		t.Errorf("a request that was given up while it waited: %v", err)
	}
	next := ask(t.Context(), second, "https://api/services")
	s.answer <- struct{}{}
	s.answer <- struct{}{}
	<-s.arrived
	s.answer <- struct{}{}
	for _, done := range []<-chan error{one, watch, next} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
