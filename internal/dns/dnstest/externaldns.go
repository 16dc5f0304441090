// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/internal/testkit"
)

// webhookServerAddress is fixed in ExternalDNS.
const webhookServerAddress = loopback + ":8888"

// ExternalDNS is the path of the program, which the lab builds.
func ExternalDNS(t testing.TB) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	program, err := exec.LookPath(filepath.Join(filepath.Dir(file), "../../../bin/lab/external-dns"))
	testkit.Require(t, err == nil, "ExternalDNS (hack/lab/lab build externaldns)")
	return program
}

// ExternalDNSCRD is the path of a directory with ExternalDNS' CRD.
func ExternalDNSCRD(t testing.TB) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	command := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/external-dns")
	command.Dir = filepath.Join(filepath.Dir(file), "../../../hack/lab/externaldns")
	module, err := command.Output()
	if err != nil {
		t.Fatalf("finding the module of ExternalDNS: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(module)), "config/crd/standard")
}

// StartExternalDNS has ExternalDNS publish the DNSEndpoints of a cluster in the PowerDNS, see RunExternalDNS.
func StartExternalDNS(t testing.TB, p *PowerDNS, kubeconfig string, flags ...string) (stop func()) {
	t.Helper()
	return RunExternalDNS(t, kubeconfig, append(p.externalDNSFlags(), flags...)...)
}

// RunExternalDNS has ExternalDNS publish the DNSEndpoints of a cluster, every second and when they change, where the flags say. It
// manages address records, and what else they say. It ends when the test does, or with the function that is returned.
func RunExternalDNS(t testing.TB, kubeconfig string, flags ...string) (stop func()) {
	t.Helper()
	_, stop = startExternalDNS(t, append([]string{
		"--kubeconfig=" + kubeconfig, "--source=crd", "--managed-record-types=A", "--managed-record-types=AAAA",
		"--interval=1s", "--events", "--min-event-sync-interval=1s",
	}, flags...)...)
	return stop
}

// externalDNSFlags have ExternalDNS write to the PowerDNS.
func (p *PowerDNS) externalDNSFlags() []string {
	return []string{"--provider=pdns", "--pdns-server=" + p.URL, "--pdns-api-key=" + p.APIKey}
}

func startExternalDNS(t testing.TB, flags ...string) (log *buffer, stop func()) {
	t.Helper()
	log = &buffer{}
	process := exec.Command(ExternalDNS(t), append([]string{"--metrics-address=" + loopback + ":0"}, flags...)...)
	process.Stdout, process.Stderr = log, log
	// It ends with the test, even if that is killed.
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		t.Fatalf("starting ExternalDNS: %v", err)
	}
	stop = sync.OnceFunc(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		if t.Failed() {
			t.Logf("the log of ExternalDNS:\n%s", log)
		}
	})
	t.Cleanup(stop)
	return log, stop
}

// StartWebhookServer starts ExternalDNS as the server of its webhook protocol for all zones of the PowerDNS. It returns the URL.
// Its port is fixed, so it is for tests that are isolated, see package testkit.
func StartWebhookServer(t testing.TB, p *PowerDNS) string {
	t.Helper()
	listener, err := net.Listen("tcp", webhookServerAddress)
	testkit.Require(t, err == nil, webhookServerAddress+" free to listen at, an address that ExternalDNS has fixed")
	_ = listener.Close()
	log, _ := startExternalDNS(t, append(p.externalDNSFlags(), "--webhook-server", "--source=fake")...)
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", webhookServerAddress); err == nil {
			_ = conn.Close()
			return "http://" + webhookServerAddress
		}
	}
	t.Fatalf("waiting for ExternalDNS: it does not listen after %s; its log:\n%s", startTimeout, log)
	return ""
}
