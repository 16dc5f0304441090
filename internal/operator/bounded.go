// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Every pod of a cluster can connect to the ports of the operator where nothing enforces NetworkPolicies, so what a connection takes
// before anybody knows whose it is has a bound: a header, and 100 KiB at most for the TLS handshake and buffers.
const (
	// maxConnections is how many connections a port of the operator has open at once.
	maxConnections = 64
	// maxTokenHeader is how long the header of a scrape may be, in bytes: many times the token of a ServiceAccount.
	maxTokenHeader = 16 << 10
	// maxProbeHeader is how long the header of a probe may be, in bytes. net/http adds 4 KiB to both.
	maxProbeHeader = 4 << 10
)

// newServer returns a server that waits for nobody for long. It has to serve on a boundedListener.
func newServer(handler http.Handler, maxHeader int) *http.Server {
	return &http.Server{
		Handler: serving(handler), MaxHeaderBytes: maxHeader, ConnContext: withConn,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, // of which the shorter holds for TLS handshakes as well
		WriteTimeout: 30 * time.Second, IdleTimeout: 90 * time.Second,
	}
}

// boundedListener keeps few connections open: a new one takes the place of an old one. Waiting for one that ends would let a
// stranger keep everybody else out.
type boundedListener struct {
	net.Listener
	mu sync.Mutex
	// open are the connections that are not closed yet, in the order in which they came.
	open []*boundedConn
}

// boundedConn is a connection of a boundedListener. Its lock is that of the listener.
type boundedConn struct {
	net.Conn
	listener *boundedListener
	// host is the address of the client without its port.
	host string
	// served is set while a request is answered.
	served bool
}

// Accept waits for the next connection, and closes another one where there are too many then.
func (l *boundedListener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(accepted.RemoteAddr().String())
	if err != nil {
		host = accepted.RemoteAddr().String()
	}
	conn := &boundedConn{Conn: accepted, listener: l, host: host}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, conn)
	if len(l.open) > maxConnections {
		i := leastDue(l.open)
		_ = l.open[i].Conn.Close() // whoever serves it sees that, and nobody else needs it
		l.open = slices.Delete(l.open, i, i+1)
	}
	return conn, nil
}

// leastDue returns which of the connections, oldest first, has to go: the oldest on which nothing is being answered, of the host that
// has most of these; the oldest of all if something is being answered on each. The newest stays as long as its host has others.
func leastDue(open []*boundedConn) int {
	waiting := map[string]int{}
	for _, conn := range open {
		if !conn.served {
			waiting[conn.host]++
		}
	}
	chosen, most := 0, 0
	for i, conn := range open {
		if !conn.served && waiting[conn.host] > most {
			chosen, most = i, waiting[conn.host]
		}
	}
	return chosen
}

// Close ends the connection and makes room for another.
func (c *boundedConn) Close() error {
	c.listener.mu.Lock()
	c.listener.open = slices.DeleteFunc(c.listener.open, func(other *boundedConn) bool { return other == c })
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

func (c *boundedConn) setServed(served bool) {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.served = served
}

type connKey struct{}

// withConn adds to the context of requests the connection that they come by.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	return context.WithValue(ctx, connKey{}, conn)
}

// serving marks connections while their requests are answered.
func serving(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(connKey{}).(*boundedConn); ok {
			conn.setServed(true)
			defer conn.setServed(false)
		}
		handler.ServeHTTP(w, r)
	})
}
