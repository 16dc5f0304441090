// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsNoDomainIsSaidWithTheDomainInIt(t *testing.T) {
	for given, want := range map[string]string{
		"https://c55.example":          "is a URL; give its domain alone: c55.example.",
		"xmpp://c55.example:5269/path": "is a URL; give its domain alone: c55.example.",
		"user@c55.example":             "is an XMPP address; give its domain alone: c55.example.",
		"user@c55.example/phone":       "is an XMPP address; give its domain alone: c55.example.",
		"user@c55.example:5269":        "is an XMPP address; give its domain alone: c55.example.",
		"c55.example/phone":            "is an XMPP address; give its domain alone: c55.example.",
		"c55.example:5269":             "is a host with a port; give its domain alone: c55.example.",
		"203.0.113.7":                  "203.0.113.7 is an address; give the XMPP domain that is served there",
		"203.0.113.7:5269":             "is an address with a port; give the XMPP domain",
		"[2001:db8::7]:5269":           "is an address with a port; give the XMPP domain",
		"2001:db8::7":                  "2001:db8::7 is an address; give the XMPP domain",
		"bücher.example":               "as it stands in the DNS: xn--bcher-kva.example",
		"c55..example":                 "is no domain name",
		"c55 example.org":              "is no domain name",
		".":                            "is no domain name",
		"c55.example,c56.example":      "is no domain name",
	} {
		if domain, err := domainOf(given); err == nil || !strings.Contains(err.Error()+".", want) {
			t.Errorf("%s: got %q, %v, want the error %q", given, domain, err, want)
		}
	}
	for given, want := range map[string]string{"Example.ORG.": "example.org", "xn--bcher-kva.example": "xn--bcher-kva.example", "a_b.example": "a_b.example"} {
		if domain, err := domainOf(given); err != nil || domain != want {
			t.Errorf("%s: got %q, %v, want %q", given, domain, err, want)
		}
	}
}

// silentCluster is an API server that takes connections and says nothing; it is configured.
func silentCluster(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	file := filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c"}}],
		"clusters": [{"name": "c", "cluster": {"server": "http://%s"}}]}`, listener.Addr())
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", file)
}

func TestAClusterThatIsSilentTakesNothingFromTheTimeOfADomain(t *testing.T) {
	flags, _ := healthyDomain(t)
	silentCluster(t)
	code, out, errOut := run(t, append([]string{"doctor", "example.org", "--timeout", "20s"}, flags...)...)
	if code != ExitGood || !strings.Contains(out, "pass     D20") {
		t.Errorf("ends with %d\n%s%s", code, out, errOut)
	}
	if !strings.Contains(errOut, "example.org is taken for a domain, because the cluster could not be asked for a Federation of that name: ") {
		t.Errorf("does not say that nobody could be asked whether it is a Federation: %q", errOut)
	}
}
