// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/xmppfed/xmppfed/hack/e2e/faults"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// clockProxy hands requests on to the API server and shifts the clock in its answers. The clock of the machine, which
// everything in the lab shares, can't be touched.
type clockProxy struct {
	kubeconfig string
	shifted    atomic.Int64
}

func newClockProxy(s *site) *clockProxy {
	p := &clockProxy{kubeconfig: filepath.Join(s.TempDir(), "kubeconfig")}
	config, err := clientcmd.BuildConfigFromFlags("", lab.Kubeconfig)
	s.must(err)
	transport, err := rest.TransportFor(config)
	s.must(err)
	target, err := url.Parse(config.Host)
	s.must(err)
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			if date, err := http.ParseTime(r.Header.Get("Date")); err == nil {
				r.Header.Set("Date", date.Add(time.Duration(p.shifted.Load())).UTC().Format(http.TimeFormat))
			}
			return nil
		},
	}
	listener, err := net.Listen("tcp", "198.51.100.10:0")
	s.must(err)
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.Error(err)
		}
	}()
	s.Cleanup(func() { s.must(server.Close()) })
	s.must(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"lab": {Server: "http://" + listener.Addr().String()}},
		Contexts:       map[string]*clientcmdapi.Context{"lab": {Cluster: "lab"}},
		CurrentContext: "lab",
	}, p.kubeconfig))
	return p
}

// shift has the API server's clock be wrong.
func (p *clockProxy) shift(by time.Duration) faults.Injection {
	return func(context.Context) (faults.Undo, error) {
		p.shifted.Store(int64(by))
		return func(context.Context) error {
			p.shifted.Store(0)
			return nil
		}, nil
	}
}
