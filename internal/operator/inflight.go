// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"net/http"

	"k8s.io/client-go/transport"
)

// requestsInFlight is how many requests the API server has to answer side by side. It gives up those that take it more
// than 34 seconds, with all the work that it had with them, so a thousand at once would get a slow one into a state where
// it gives up all of them, over and over. The others wait here, and get their turn in the order in which they came.
const requestsInFlight = 64

// limitInFlight makes wrappers of transports that share one limit. Watches, which have no end, are not counted.
func limitInFlight(limit int) transport.WrapperFunc {
	slots := make(chan struct{}, limit)
	return func(next http.RoundTripper) http.RoundTripper { return inFlight{next, slots} }
}

type inFlight struct {
	next  http.RoundTripper
	slots chan struct{}
}

// RoundTrip waits for a slot, unless the request is given up before.
func (t inFlight) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Query().Get("watch") == "true" {
		return t.next.RoundTrip(request)
	}
	select {
	case t.slots <- struct{}{}:
	case <-request.Context().Done():
		return nil, request.Context().Err()
	}
	defer func() { <-t.slots }()
	return t.next.RoundTrip(request)
}
