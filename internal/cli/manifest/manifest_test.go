// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/cli/manifest"
)

func TestDocumentsAreReadOneByOne(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"YAML documents": {"kind: A\napiVersion: v1\nmetadata: {name: a}\n---\n# nothing\n---\nkind: B\napiVersion: v1\nmetadata: {name: b}\n",
			[]string{"A a", "B b"}},
		"JSON":            {`{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}`, []string{"A a"}},
		"a list":          {"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: A, metadata: {name: a}}]", []string{"A a"}},
		"nothing":         {"", nil},
		"only separators": {"---\n---\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := manifest.Read(strings.NewReader(test.file), "file")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, object := range objects {
				got = append(got, object.GetKind()+" "+object.GetName())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWhatIsNoManifestIsSaidWithItsPlace(t *testing.T) {
	for name, test := range map[string]struct{ file, want string }{
		"no YAML":         {"kind: A\napiVersion: v1\nmetadata: {name: a}\n---\n\t", "reading document 2 of file: "},
		"a key twice":     {"kind: A\nkind: B", `key "kind" already set`},
		"no kind":         {"metadata: {name: a}", "'Kind' is missing"},
		"a boolean name":  {"kind: A\napiVersion: v1\nmetadata: {name: a, namespace: n}", "ObjectMeta.namespace of type string"},
		"nameless list":   {"kind: List\napiVersion: v1\nitems: [{kind: A, apiVersion: v1}]", "the A has no metadata.name"},
		"no name":         {"kind: A\napiVersion: v1", "the A has no metadata.name"},
		"a plain text":    {"hello", "reading document 1 of file: "},
		"far too long":    {"a: " + strings.Repeat("x", 4<<20), "reading document 1 of file: "},
		"a list of texts": {"apiVersion: v1\nkind: List\nitems: [a]", "reading document 1 of file: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Read(strings.NewReader(test.file), "file")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestFederationsAreJudgedAsAnAPIServerDoes(t *testing.T) {
	schemas, err := manifest.NewSchemas()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ spec, want string }{
		"good":                          {"{domains: [a.example]}", ""},
		"a field that there is not":     {"{domains: [a.example], domain: b.example}", "spec.domain: there is no such field"},
		"a field in the wrong place":    {"{domains: [a.example], server: {port: 1}}", "spec.server.port: there is no such field"},
		"a number that is too great":    {"{domains: [a.example], exposure: {port: 70000}}", "spec.exposure.port: "},
		"a word that is none of ours":   {"{domains: [a.example], server: {engine: Openfire}}", "spec.server.engine: "},
		"something missing":             {"{}", "spec.domains: "},
		"a rule of a field that breaks": {"{domains: [A.example]}", "spec.domains[0]: "},
		"a rule about several fields":   {"{domains: [a.example], server: {replicas: 2}}", "replicas"},
		"two rules at once":             {"{domains: [a.example], peers: [{domain: b.example, tls: Disabled}]}", "spec.peers[0].acknowledgeInsecure: "},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := manifest.Read(strings.NewReader(
				"apiVersion: xmppfed.io/v1alpha1\nkind: Federation\nmetadata: {name: a, namespace: chat}\nspec: "+test.spec), "file")
			if err != nil {
				t.Fatal(err)
			}
			refused := schemas.Complete(t.Context(), objects[0])
			text := ""
			for _, err := range refused {
				text += err.Field + ": " + err.Detail + "\n"
			}
			if (len(refused) > 0) != (test.want != "") || !strings.Contains(text, test.want) {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	schemas, err := manifest.NewSchemas()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := manifest.Read(strings.NewReader(
		"{apiVersion: xmppfed.io/v1alpha1, kind: Federation, metadata: {name: a}, spec: {domains: [a.example]}, status: {hostname: x}}"), "file")
	if err != nil {
		t.Fatal(err)
	}
	if refused := schemas.Complete(t.Context(), objects[0]); len(refused) > 0 {
		t.Fatal(refused)
	}
	spec := objects[0].Object["spec"].(map[string]any)
	if port := spec["exposure"].(map[string]any)["port"]; port != int64(5269) {
		t.Errorf("spec.exposure.port is %v", port)
	}
	if _, found := objects[0].Object["status"]; found {
		t.Error("a manifest's status became more than a manifest's")
	}
}
