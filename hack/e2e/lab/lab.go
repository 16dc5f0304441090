// SPDX-License-Identifier: Apache-2.0

// Package lab lets Go programs use the lab (hack/lab): its command line, its cluster, its DNS servers. They run on the
// lab's node: `hack/lab/lab exec node -- PROGRAM`.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Places and names of the lab.
const (
	Dir        = "/var/lib/xmppfed-lab"
	Kubeconfig = Dir + "/admin.kubeconfig"
	CA         = Dir + "/pki/ca.crt"
	AuditLog   = Dir + "/logs/audit.log"
	UpdateLog  = Dir + "/logs/dns-primary-updates.log"

	// Primary and Secondary are the authoritative DNS servers of all zones.
	Primary   = "203.0.113.53:53"
	Secondary = "203.0.113.54:53"
	// Resolver is one that a partner may have: it caches, and validates what is signed.
	Resolver = "203.0.113.55:53"
	// SignedZone is signed, and its parent says so.
	SignedZone = "signed.example"

	// Partner is the user of the reference scenario at the partner gmail.com.
	Partner         = "jdoe1@gmail.com"
	PartnerPassword = "jdoe1-lab-password"
	PartnerAddress  = "203.0.113.20:5222"
)

// root of the checkout, found from the working directory.
var root = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the checkout: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "hack/lab/lab"))
		switch {
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist) || dir == "/":
			return "", errors.New("finding the checkout: run this inside it")
		}
	}
})

// Path of a file of the checkout.
func Path(name string) (string, error) {
	dir, err := root()
	return filepath.Join(dir, name), err
}

// Command prepares a call of hack/lab/lab.
func Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	script, err := Path("hack/lab/lab")
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, script, args...), nil
}

// Run calls hack/lab/lab and returns what it prints, without surrounding space.
func Run(ctx context.Context, args ...string) (string, error) {
	cmd, err := Command(ctx, args...)
	if err != nil {
		return "", err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running lab %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// Apply has kubectl apply a manifest.
func Apply(ctx context.Context, manifest string) error {
	cmd, err := Command(ctx, "kubectl", "apply", "--server-side", "-f", "-")
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("applying a manifest: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// NewClient talks to the lab's cluster as its administrator.
func NewClient() (client.WithWatch, error) {
	config, err := clientcmd.BuildConfigFromFlags("", Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the lab's credentials: %w", err)
	}
	config.QPS, config.Burst = 200, 400
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	return client.NewWithWatch(config, client.Options{Scheme: scheme})
}

// cloud is the lab's cloud, on its socket.
var cloud = http.Client{
	Timeout: 10 * time.Second,
	Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", Dir+"/run/cloud.sock")
	}},
}

// Readdress has the cloud give a Service another public address, as `lab cloud readdress` does but without the time
// that a shell takes. It returns the address.
func Readdress(ctx context.Context, service client.ObjectKey) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://cloud/readdress/"+service.String(), nil)
	if err != nil {
		return "", fmt.Errorf("asking the cloud for another address: %w", err)
	}
	resp, err := cloud.Do(req)
	if err != nil {
		return "", fmt.Errorf("asking the cloud for another address: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	answer := strings.TrimSpace(string(body))
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("asking the cloud for another address: %s: %s: %w", resp.Status, answer, err)
	}
	return answer, nil
}
