// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// readdresser gives a Service other addresses, as clouds do on maintenance or when a load balancer is
// replaced. It writes the status itself, since the service controller would look again only when the
// Service changes; whenever that does look, it gets the same new address from the pool.
type readdresser struct {
	pools  pools
	client kubernetes.Interface
}

// ServeHTTP answers POST /readdress/NAMESPACE/SERVICE with the new addresses, one on a line.
func (r *readdresser) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	namespace, name, ok := strings.Cut(strings.TrimPrefix(req.URL.Path, "/readdress/"), "/")
	if req.Method != http.MethodPost || !ok {
		http.Error(w, "want POST /readdress/NAMESPACE/SERVICE", http.StatusBadRequest)
		return
	}
	addresses, err := r.readdress(req.Context(), namespace, name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	_, _ = io.WriteString(w, addresses) //nolint:gosec // addresses, and no browser reads it
}

func (r *readdresser) readdress(ctx context.Context, namespace, name string) (string, error) {
	key := namespace + "/" + name
	if err := r.pools.move(key); err != nil {
		return "", err
	}
	addresses := r.pools.held(key)
	patch, err := json.Marshal(&v1.Service{Status: v1.ServiceStatus{LoadBalancer: *status(addresses)}})
	if err != nil {
		return "", fmt.Errorf("writing the patch: %w", err)
	}
	_, err = r.client.CoreV1().Services(namespace).Patch(ctx, name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: "lab-cloud"}, "status")
	if err != nil {
		return "", fmt.Errorf("patching the status of %s/%s: %w", namespace, name, err)
	}
	var lines strings.Builder
	for _, addr := range addresses {
		lines.WriteString(addr.String() + "\n")
	}
	return lines.String(), nil
}

// serve answers on the unix socket until ctx ends.
func serve(ctx context.Context, socket string, handler http.Handler) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the old socket: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{Handler: handler} //nolint:gosec // a local socket for one trusted caller needs no timeouts
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
