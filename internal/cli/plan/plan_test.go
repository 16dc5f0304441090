// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/example"
	"github.com/xmppfed/xmppfed/internal/cli/plan"
	"github.com/xmppfed/xmppfed/internal/cli/text"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
)

var engines = map[v1alpha1.EngineName]engine.Engine{v1alpha1.EngineProsody: prosody.Engine{}}

func follow(t *testing.T, before, after *v1alpha1.Federation) plan.Plan {
	t.Helper()
	planned, err := plan.Follow(before, after, engines)
	if err != nil {
		t.Fatal(err)
	}
	return planned
}

// changes are what is not unchanged, in short.
func changes(p plan.Plan) []string {
	var all []string
	for _, object := range p.Objects {
		if object.Action == plan.Unchanged {
			continue
		}
		line := string(object.Action) + " " + object.Kind + " " + object.Name
		for _, field := range object.Fields {
			line += " " + field.Path
		}
		if object.Note != "" {
			line += " (" + object.Note + ")"
		}
		all = append(all, line)
	}
	for _, record := range p.Records {
		if record.Action != plan.Unchanged {
			all = append(all, strings.Join(strings.Fields(strings.Join(
				[]string{string(record.Action), record.Type, record.Name, record.Before, record.After}, " ")), " "))
		}
	}
	return all
}

func TestWhatFollowsFromAChange(t *testing.T) {
	const (
		service = "_xmpp-server._tcp.cupdomain.com"
		rooms   = "_xmpp-server._tcp.conference.cupdomain.com"
		srv     = "0 0 5269 cup1.cupdomain.com. (TTL 300)"
	)
	for name, test := range map[string]struct {
		change func(*v1alpha1.Federation)
		want   []string
	}{
		"none": {func(*v1alpha1.Federation) {}, nil},
		"a server's image restarts it": {
			func(fed *v1alpha1.Federation) { fed.Spec.Server.Image = "registry.example/prosody:13.1" },
			[]string{"change StatefulSet cup spec.template.spec.containers[prosody].image (this restarts the server)"},
		},
		"a volume's size can't be changed": {
			func(fed *v1alpha1.Federation) { fed.Spec.Server.Storage.Size = resource.MustParse("2Gi") },
			[]string{"change StatefulSet cup spec.volumeClaimTemplates (Kubernetes refuses to change the volume of a StatefulSet)"},
		},
		"no group chat": {
			func(fed *v1alpha1.Federation) { fed.Spec.Server.GroupChat = nil },
			[]string{
				"change ConfigMap cup-server data[prosody.cfg.lua] metadata.annotations[xmppfed.io/group-chats]",
				"delete SRV " + rooms + " " + srv,
			},
		},
		"another Secret for the certificate": {
			func(fed *v1alpha1.Federation) { fed.Spec.TLS.SecretRef.Name = "new-tls" },
			[]string{"change Secret cup-server data[tls.crt] data[tls.key]"},
		},
		"a certificate of the operator's own, and no accounts": {
			func(fed *v1alpha1.Federation) { fed.Spec.TLS, fed.Spec.Server.Accounts = nil, nil },
			[]string{"change Secret cup-server data[accounts.json] data[tls.crt] data[tls.key]"},
		},
		"a further CA": {
			func(fed *v1alpha1.Federation) {
				fed.Spec.TLS.TrustedCAs = []v1alpha1.TrustedCA{{ConfigMapRef: v1alpha1.ConfigMapKey{Name: "roots", Key: "ca.crt"}}}
			},
			[]string{"change ConfigMap cup-server data[ca.crt] data[prosody.cfg.lua]"},
		},
		"source ranges": {
			func(fed *v1alpha1.Federation) {
				fed.Spec.Exposure.LoadBalancer.SourceRanges = []string{"198.51.100.0/24"}
				fed.Spec.Exposure.LoadBalancer.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
			},
			[]string{"change Service cup-s2s spec.externalTrafficPolicy spec.loadBalancerSourceRanges", "change NetworkPolicy cup spec.ingress"},
		},
		"a NAT device in front": {
			func(fed *v1alpha1.Federation) { fed.Spec.Exposure.PublicAddresses = []string{"198.51.100.7"} },
			[]string{"change A cup1.cupdomain.com 203.0.113.128 (TTL 300) 198.51.100.7 (TTL 300)"},
		},
		"another host name": {
			func(fed *v1alpha1.Federation) {
				fed.Spec.DNS.Hostname, fed.Spec.Server.GroupChat = "im.cupdomain.com", nil
			},
			[]string{
				"change ConfigMap cup-server data[prosody.cfg.lua] metadata.annotations[xmppfed.io/group-chats]",
				"delete SRV " + rooms + " " + srv,
				"change SRV " + service + " " + srv + " 0 0 5269 im.cupdomain.com. (TTL 300)",
				"delete A cup1.cupdomain.com 203.0.113.128 (TTL 300)", "create A im.cupdomain.com 203.0.113.128 (TTL 300)",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			after := example.Healthy()
			test.change(after)
			if diff := cmp.Diff(test.want, changes(follow(t, example.Healthy(), after))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestRecordsThatAreLeftOverAreDeleted(t *testing.T) {
	before := example.Healthy()
	before.Status.Records = append(before.Status.Records, v1alpha1.RecordStatus{Name: "old.cupdomain.com", Type: "A", TTL: 60, Data: []string{"203.0.113.9"}})
	after := before.DeepCopy()
	want := []string{"delete A old.cupdomain.com 203.0.113.9 (TTL 60)"}
	if diff := cmp.Diff(want, changes(follow(t, before, after))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEverythingOfANewFederationIsCreated(t *testing.T) {
	planned := follow(t, nil, example.Fresh())
	for _, line := range changes(planned) {
		if !strings.HasPrefix(line, "create ") {
			t.Errorf("%s", line)
		}
	}
	if objects, records := len(planned.Objects), len(planned.Records); objects != 8 || records != 3 {
		t.Errorf("%d objects and %d records", objects, records)
	}
	if shown := plan.Render(planned, text.Style{Width: 80}); !strings.Contains(shown,
		"+ A xmpp.new.example\n      + the address that the load balancer gets (TTL 300)\n") {
		t.Errorf("does not say where the address comes from:\n%s", shown)
	}
}

func TestWhatTheEngineCanNotDoIsAProblem(t *testing.T) {
	fed := example.Spec()
	fed.Spec.Server.Replicas = 2
	planned := follow(t, nil, fed)
	if len(planned.Problems) != 1 || planned.Problems[0].Field != "spec.server.replicas" || len(planned.Objects) > 0 {
		t.Errorf("got %+v", planned)
	}
	shown := plan.Render(planned, text.Style{Width: 80})
	if !strings.HasPrefix(shown, "! Federation chat/cup\n    spec.server.replicas: ") || !strings.HasSuffix(shown, "\nProblems: 1\n") {
		t.Errorf("shown as\n%s", shown)
	}
}

func TestDifferencesAreFoundFieldByField(t *testing.T) {
	for name, test := range map[string]struct {
		before, after string
		want          []plan.Field
	}{
		"equal": {"{a: 1}", "{a: 1}", nil},
		"what the API server writes by itself": {
			"{metadata: {resourceVersion: '1', generation: 1, managedFields: [{}]}, status: {a: 1}}",
			"{metadata: {resourceVersion: '2', generation: 2, managedFields: []}}", nil},
		"a field more, one less, one changed": {"{a: 1, b: x, d: true}", "{a: 2, c: {e: z}, d: true}",
			[]plan.Field{{Path: "a", Before: "1", After: "2"}, {Path: "b", Before: "x"}, {Path: "c.e", After: "z"}}},
		"an element put in front of others": {"{l: [{name: b, v: 1}]}", "{l: [{name: a, v: 1}, {name: b, v: 2}]}",
			[]plan.Field{{Path: "l[a]", After: `{"name":"a","v":1}`}, {Path: "l[b].v", Before: "1", After: "2"}}},
		"a list that begins": {"{}", "{l: [{domain: a.example}]}", []plan.Field{{Path: "l[a.example]", After: `{"domain":"a.example"}`}}},
		"elements of one name": {"{l: [{name: a, p: 1}, {name: a, p: 2}]}", "{l: [{name: a, p: 1}]}",
			[]plan.Field{{Path: "l", Before: `[{"name":"a","p":1},{"name":"a","p":2}]`, After: `[{"name":"a","p":1}]`}}},
		"plain lists":                 {"{l: [a]}", "{l: [a, b]}", []plan.Field{{Path: "l", Before: `["a"]`, After: `["a","b"]`}}},
		"a list that becomes another": {"{l: [a]}", "{l: {a: 1}}", []plan.Field{{Path: "l", Before: `["a"]`, After: `{"a":1}`}}},
		"names that are no identifiers": {"{m: {a.b/c: x}}", "{m: {a.b/c: z}}",
			[]plan.Field{{Path: "m[a.b/c]", Before: "x", After: "z"}}},
		"an escape sequence": {"{}", `{a: "\u001b[2J"}`, []plan.Field{{Path: "a", After: `"\u001b[2J"`}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, plan.Diff(parse(t, test.before), parse(t, test.after))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestValuesOfSecretsAreNotShown(t *testing.T) {
	object := func(value string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: parse(t, "{kind: Secret, metadata: {name: cup-tls}, data: {tls.key: "+value+"}}")}
	}
	shown := plan.Render(plan.Manifest(object("b2xkLXNlY3JldA=="), object("bmV3LXNlY3JldA=="), ""), text.Style{Width: 80})
	if !strings.Contains(shown, "data[tls.key]: (hidden) -> (hidden)") || strings.Contains(shown, "ZWNyZXQ") {
		t.Errorf("shown as\n%s", shown)
	}
}

func TestOfLongTextsTheLinesThatDifferAreShown(t *testing.T) {
	object := func(text string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"kind": "ConfigMap", "metadata": map[string]any{"name": "a"}, "data": map[string]any{"file": text},
		}}
	}
	shown := plan.Render(plan.Manifest(object("one\ntwo\nthree\nfour\n"), object("zero\none\nthree\n4\n"), ""), text.Style{Width: 80})
	const want = `~ ConfigMap a
    data.file:
      + zero
      - two
      - four
      + 4

Objects: 0 to create, 1 to change, 0 to delete, 0 unchanged
`
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
