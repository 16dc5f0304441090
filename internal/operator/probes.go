// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
)

// probes answers the kubelet from the first moment on. An operator that waits, for the API server or for another installation,
// lives but is not ready; killing it would only make the wait longer, for the kubelet starts it again later from time to time.
type probes struct {
	mu sync.Mutex
	// waits says what the operator waits for; empty when it is ready.
	waits string
	// watched is what the caches hold; nil while there are none.
	watched *watched
}

func (p *probes) set(waits string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waits = waits
}

func (p *probes) ready(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waits, missing := p.waits, ""
	if p.watched != nil {
		var filled bool
		if filled, missing = p.watched.report(); waits == "" && !filled {
			waits = "waiting until all objects have been read for the first time"
		}
	}
	if waits != "" {
		http.Error(w, strings.TrimSpace(waits+"\n"+missing), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, strings.TrimSpace("ok\n"+missing))
}

// serve answers at an address until the context ends; "0" or nothing for nowhere.
func (p *probes) serve(ctx context.Context, address string) error {
	if address == "" || address == "0" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening for probes: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/readyz", p.ready)
	server := newServer(mux, maxProbeHeader)
	context.AfterFunc(ctx, func() { _ = server.Close() }) // the program ends
	go func() {
		if err := server.Serve(&boundedListener{Listener: listener}); !errors.Is(err, http.ErrServerClosed) {
			log.Error(err, "serving probes")
		}
	}()
	return nil
}
