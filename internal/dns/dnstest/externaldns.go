// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
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

// StartWebhookServer starts ExternalDNS as the server of its webhook protocol for all zones of the PowerDNS. It returns the URL.
func StartWebhookServer(t testing.TB, p *PowerDNS) string {
	t.Helper()
	program := ExternalDNS(t)
	listener, err := net.Listen("tcp", webhookServerAddress)
	testkit.Require(t, err == nil, webhookServerAddress+" free to listen at, an address that ExternalDNS has fixed")
	_ = listener.Close()
	log := &buffer{}
	process := exec.Command(program, "--webhook-server", "--source=fake", "--metrics-address="+loopback+":0",
		"--provider=pdns", "--pdns-server="+p.URL, "--pdns-api-key="+p.APIKey)
	process.Stdout, process.Stderr = log, log
	if err := process.Start(); err != nil {
		t.Fatalf("starting ExternalDNS: %v", err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		if t.Failed() {
			t.Logf("the log of ExternalDNS:\n%s", log)
		}
	})
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", webhookServerAddress); err == nil {
			_ = conn.Close()
			return "http://" + webhookServerAddress
		}
	}
	t.Fatalf("waiting for ExternalDNS: it does not listen after %s; its log:\n%s", startTimeout, log)
	return ""
}
