// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/xmppfed/xmppfed/internal/cli"
	"github.com/xmppfed/xmppfed/internal/cli/plan"
)

const zoneManifest = `apiVersion: xmppfed.io/v1alpha1
kind: DNSZone
metadata: {name: a-example}
spec: {zone: a.example, provider: {rfc2136: {servers: ["203.0.113.53:53"], tsig: {keyName: k, secretRef: {name: s, key: secret}}}}}
`

const federationManifest = "apiVersion: xmppfed.io/v1alpha1\nkind: Federation\nmetadata: {name: a, namespace: chat}\nspec: {domains: [a.example]}\n"

// offline runs plan --offline where there is no cluster.
func offline(t *testing.T, in string, args ...string) (out, errOut string, code int) {
	t.Helper()
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	var stdout, stderr bytes.Buffer
	code = cli.Run(t.Context(), append([]string{"plan", "--offline"}, args...),
		genericiooptions.IOStreams{In: strings.NewReader(in), Out: &stdout, ErrOut: &stderr})
	return stdout.String(), stderr.String(), code
}

func TestAPlanNeedsNoClusterOffline(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"1-zone.yaml": zoneManifest, "2-federation.yml": federationManifest, "README.md": "no manifest",
		"3-other.json": `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		in   string
		args []string
		want []string
	}{
		"from standard input": {federationManifest, []string{"-f", "-"}, []string{"+ Federation chat/a\n", "+ StatefulSet chat/a\n"}},
		"from a file":         {"", []string{"-f", filepath.Join(dir, "1-zone.yaml")}, []string{"+ DNSZone a-example\n"}},
		"from a directory": {"", []string{"-f", dir},
			[]string{"+ DNSZone a-example\n+ Federation chat/a\n", "+ ConfigMap c  (not judged offline)\n", "+ SRV _xmpp-server._tcp.a.example\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, errOut, code := offline(t, test.in, test.args...)
			if code != cli.ExitGood {
				t.Fatalf("ends with %d: %s%s", code, out, errOut)
			}
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
		})
	}
}

func TestAPlanRefusesWhatIsMeantForAKindOfOursAndIsNone(t *testing.T) {
	for name, head := range map[string]string{
		"a kind with a letter too few":  "apiVersion: xmppfed.io/v1alpha1\nkind: Federaton",
		"a kind in lower case":          "apiVersion: xmppfed.io/v1alpha1\nkind: federation",
		"a version that there is not":   "apiVersion: xmppfed.io/v1\nkind: Federation",
		"a group with a letter too few": "apiVersion: xmpfed.io/v1alpha1\nkind: Federation",
		"a group of another name":       "apiVersion: xmppfed.github.com/v1alpha1\nkind: DNSzone",
		"a group that is missing":       "apiVersion: v1alpha1\nkind: DNSZone",
	} {
		t.Run(name, func(t *testing.T) {
			out, errOut, code := offline(t, head+"\nmetadata: {name: a}\nspec: {domains: [a.example]}\n", "-f", "-")
			said := strings.Join(strings.Fields(out), " ") // lines are broken where it fits
			want := `supported values: "DNSZone of xmppfed.io/v1alpha1", "Federation of xmppfed.io/v1alpha1"`
			if code != cli.ExitFound || !strings.Contains(said, want) {
				t.Errorf("ends with %d: %s%s", code, out, errOut)
			}
		})
	}
	for name, head := range map[string]string{
		"one of Kubernetes": "apiVersion: v1\nkind: ConfigMap", "one of others": "apiVersion: cert-manager.io/v1\nkind: Certificate",
	} {
		if out, errOut, code := offline(t, head+"\nmetadata: {name: a}\n", "-f", "-"); code != cli.ExitGood {
			t.Errorf("%s: ends with %d: %s%s", name, code, out, errOut)
		}
	}
}

func TestAPlanForProgramsHoldsWhatThatForPeopleDoes(t *testing.T) {
	out, errOut, code := offline(t, federationManifest, "-f", "-", "-o", "json")
	var planned plan.Plan
	if err := json.Unmarshal([]byte(out), &planned); err != nil || code != cli.ExitGood {
		t.Fatalf("%v, ends with %d: %s%s", err, code, out, errOut)
	}
	if len(planned.Objects) != 9 || len(planned.Records) != 2 || planned.Objects[0].Action != plan.Create {
		t.Errorf("got %+v", planned)
	}
}

func TestTheCompleterCompletes(t *testing.T) {
	for name, test := range map[string]struct {
		line []string
		want string
	}{
		"as kubectl's plugin":    {[]string{"/usr/bin/kubectl-xmppfed", "status", "cup"}, "status cup"},
		"as kubectl's completer": {[]string{"/usr/bin/kubectl_complete-xmppfed", "status", "c"}, "__complete status c"},
		"on Windows":             {[]string{"kubectl_complete-xmppfed.exe", ""}, "__complete "},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(cli.Args(test.line), " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
