// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/check/checktest"
	"github.com/xmppfed/xmppfed/internal/cli/report"
	"github.com/xmppfed/xmppfed/internal/pki"
)

// healthyDomain is example.org with its server; no cluster is configured. It returns the flags that lead there.
func healthyDomain(t *testing.T) (flags []string, network checktest.Network) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	now := time.Now()
	ca, key, err := pki.NewCA("Public CA", now)
	must(err)
	certificate, certificateKey, err := pki.Issue(ca, key, []string{"example.org"}, now)
	must(err)
	pair, err := tls.X509KeyPair(certificate, certificateKey)
	must(err)
	server := &checktest.Server{Hosts: []string{"example.org"}, Certificate: &pair, DialbackSecret: "secret", AsksForCertificate: true}
	address, err := server.Start()
	must(err)
	t.Cleanup(server.Stop)
	names, err := checktest.StartNameServer("127.0.0.1", 0, "example.org",
		"example.org. 300 IN SOA ns1.example.org. admin.example.org. 1 1 1 1 1", "example.org. 300 IN NS ns1.example.org.",
		"ns1.example.org. 300 IN A 127.0.0.1", "_xmpp-server._tcp.example.org. 300 IN SRV 0 0 5269 xmpp.example.org.",
		"xmpp.example.org. 300 IN A 203.0.113.7")
	must(err)
	t.Cleanup(names.Stop)
	file := filepath.Join(t.TempDir(), "ca.crt")
	must(os.WriteFile(file, ca, 0o600))
	network = checktest.Network{"203.0.113.7:5269": address}
	before := newChecker
	newChecker = func() *check.Checker {
		c := check.New()
		c.Dialer, c.NameServerPort = network, netip.MustParseAddrPort(names.Address).Port()
		return c
	}
	t.Cleanup(func() { newChecker = before })
	return []string{"--resolver", names.Address, "--ca", file}, network
}

func run(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(context.Background(), args, genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestDoctorOfADomainNeedsNoCluster(t *testing.T) {
	flags, network := healthyDomain(t)
	code, out, errOut := run(t, append([]string{"doctor", "Example.ORG."}, flags...)...)
	if code != ExitGood || errOut != "" || !strings.Contains(out, "pass     D20") || strings.Contains(out, "\x1b") {
		t.Errorf("healthy: ends with %d\n%s%s", code, out, errOut)
	}

	clear(network)
	code, out, _ = run(t, append([]string{"doctor", "example.org", "-o", "json"}, flags...)...)
	var found report.Report
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		t.Fatal(err)
	}
	if code != ExitFound || found.Subject != "example.org" || found.Summary.Fail != 1 {
		t.Errorf("with the server gone: ends with %d, %+v", code, found.Summary)
	}
	for _, r := range found.Results {
		if r.Mark == check.Fail && (r.ID != check.TCP || r.Subject != "203.0.113.7:5269" || !strings.HasPrefix(r.Fix, "Start the server")) {
			t.Errorf("blamed %+v", r)
		}
	}
	for format, want := range map[string]string{"yaml": "verdict: fail", "junit": "<testsuites>", "wide": "because D12 failed"} {
		if code, out, _ = run(t, append([]string{"doctor", "example.org", "-o", format}, flags...)...); code != ExitFound || !strings.Contains(out, want) {
			t.Errorf("%s: ends with %d\n%s", format, code, out)
		}
	}
}

func TestDoctorSaysWhatItCanNotDo(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for name, tc := range map[string]struct {
		args []string
		says string
	}{
		"a resolver that is none":       {[]string{"example.org", "--resolver", "dns"}, "--resolver dns is neither an address nor address:port"},
		"a file of CAs that is missing": {[]string{"example.org", "--ca", "/nonexistent"}, "reading CA certificates"},
		"a domain from the cluster":     {[]string{"example.org", "--from", "cluster"}, "only a Federation can be looked at from the cluster"},
		"a place that is none":          {[]string{"example.org", "--from", "moon"}, "--from must be one of here, cluster, both"},
		"a Federation without cluster":  {[]string{"cup"}, "cup"},
		"no argument":                   {nil, "name a Federation or an XMPP domain"},
		"two arguments":                 {[]string{"example.org", "example.net"}, "one Federation or domain at a time"},
		"a partner that is no domain":   {[]string{"example.org", "--peer", "https://c55.example"}, "--peer https://c55.example is a URL; give its domain alone: c55.example"},
		"a domain with a port":          {[]string{"example.org:5269"}, "example.org:5269 is a host with a port; give its domain alone: example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errOut := run(t, append([]string{"doctor"}, tc.args...)...)
			if code != ExitUndone || out != "" || !strings.Contains(errOut, tc.says) {
				t.Errorf("ends with %d, says %q and prints %q", code, errOut, out)
			}
		})
	}
}
