// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli"
	"github.com/xmppfed/xmppfed/internal/cli/example"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Run(m)) }

// seat is where somebody types commands: a kubeconfig, a namespace, a directory.
type seat struct {
	*gomega.WithT
	t         *testing.T
	api       client.Client
	namespace string
	dir       string
}

func newSeat(t *testing.T) *seat {
	t.Helper()
	s := &seat{WithT: gomega.NewWithT(t), t: t, dir: t.TempDir()}
	config := rest.CopyConfig(kubetest.Config(t))
	config.WarningHandler = rest.NoWarnings{}
	scheme := clientgoscheme.Scheme
	s.Expect(v1alpha1.AddToScheme(scheme)).To(gomega.Succeed())
	api, err := client.New(config, client.Options{Scheme: scheme})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "chat-"}}
	s.Expect(api.Create(t.Context(), namespace)).To(gomega.Succeed())
	s.api, s.namespace = api, namespace.Name
	kubeconfig := filepath.Join(s.dir, "kubeconfig")
	t.Setenv(clientcmd.RecommendedConfigPathEnvVar, kubeconfig)
	const name = "test"
	s.Expect(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{name: {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			ClientCertificateData: config.CertData, ClientKeyData: config.KeyData,
		}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name, Namespace: s.namespace}},
		CurrentContext: name,
	}, kubeconfig)).To(gomega.Succeed())
	return s
}

// create puts a Federation with its status into the cluster.
func (s *seat) create(fed *v1alpha1.Federation) *v1alpha1.Federation {
	s.t.Helper()
	fed.Namespace, fed.ResourceVersion = s.namespace, ""
	status := fed.Status
	s.made(fed)
	fed.Status = status
	fed.Status.ObservedGeneration = fed.Generation
	s.Expect(s.api.Status().Update(s.t.Context(), fed)).To(gomega.Succeed())
	return fed
}

// made puts an object into the cluster for the time of the test: whose a name is, is a matter of the whole cluster.
func (s *seat) made(object client.Object) {
	s.t.Helper()
	s.Expect(s.api.Create(s.t.Context(), object)).To(gomega.Succeed())
	s.t.Cleanup(func() { s.Expect(s.api.Delete(context.Background(), object)).To(gomega.Succeed()) })
}

// zone makes a DNSZone that lets namespaces publish, as the YAML of spec.namespaces says.
func (s *seat) zone(apex, namespaces string) {
	s.t.Helper()
	zone := &v1alpha1.DNSZone{}
	s.Expect(yaml.UnmarshalStrict([]byte(`{apiVersion: xmppfed.io/v1alpha1, kind: DNSZone, metadata: {name: `+apex+`}, spec: {zone: `+apex+
		`, namespaces: `+namespaces+`, provider: {rfc2136: {servers: ["203.0.113.53:53"], tsig: {keyName: k, secretRef: {name: s, key: secret}}}}}}`),
		zone)).To(gomega.Succeed())
	s.made(zone)
}

// write makes a file of the directory.
func (s *seat) write(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	s.Expect(os.WriteFile(path, []byte(content), 0o600)).To(gomega.Succeed())
	return path
}

// run runs a command line and returns what it printed and its exit code.
func (s *seat) run(args ...string) (out, errOut string, code int) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Run(s.t.Context(), args,
		genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr})
	return stdout.String(), stderr.String(), code
}

// expect runs a command line that has to succeed.
func (s *seat) expect(args ...string) string {
	s.t.Helper()
	out, errOut, code := s.run(args...)
	s.Expect(code).To(gomega.BeZero(), "%s%s", out, errOut)
	return out
}

func TestRecordsOfAFederationInTheCluster(t *testing.T) {
	s := newSeat(t)
	s.create(example.Healthy())
	s.Expect(s.expect("records", "cup")).To(gomega.MatchRegexp(
		`(?m)^_xmpp-server._tcp.cupdomain.com. +300 IN SRV  0 0 5269 cup1.cupdomain.com. ; Published$`))
	s.Expect(s.expect("records", "cup", "-o", "table")).To(gomega.ContainSubstring("STATE"))
	var list struct{ Records []v1alpha1.RecordStatus }
	s.Expect(json.Unmarshal([]byte(s.expect("records", "cup", "-o", "json")), &list)).To(gomega.Succeed())
	s.Expect(list.Records).To(gomega.HaveLen(3))
}

func TestWhatCanNotBeDoneIsSaidAndEndsWith2(t *testing.T) {
	s := newSeat(t)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"a Federation that is not there":    {[]string{"records", "none"}, `reading Federation ` + s.namespace + `/none: federations.xmppfed.io "none" not found`},
		"a format that there is not":        {[]string{"records", "cup", "-o", "xml"}, "must be one of bind, table, json"},
		"a Federation in all namespaces":    {[]string{"status", "cup", "-A"}, "-A makes no sense"},
		"a manifest that is not there":      {[]string{"plan", "-f", "none.yaml"}, "reading manifests: stat none.yaml"},
		"a kind that the cluster lacks":     {[]string{"plan", "-f", s.write("a.yaml", "{apiVersion: a.example/v1, kind: A, metadata: {name: a}}")}, "looking for kind A"},
		"a context that there is not":       {[]string{"status", "--context", "none"}, "context was not found for specified context: none"},
		"a verb that there is not":          {[]string{"statsu"}, `unknown command "statsu"`},
		"manifests with nothing in them":    {[]string{"plan", "-f", s.write("b.yaml", "# nothing\n---\n")}, "there is no object in them"},
		"a manifest with a key given twice": {[]string{"plan", "-f", s.write("c.yaml", "kind: A\nkind: B\n")}, `document 1 of ` + s.dir + `/c.yaml`},
	} {
		t.Run(name, func(t *testing.T) {
			g := gomega.NewWithT(t)
			_, errOut, code := s.run(test.args...)
			g.Expect(code).To(gomega.Equal(cli.ExitUndone))
			g.Expect(errOut).To(gomega.HavePrefix("error: "))
			g.Expect(errOut).To(gomega.ContainSubstring(test.want))
		})
	}
}

func TestStatusOfOneFederationAndOfAll(t *testing.T) {
	s := newSeat(t)
	s.Expect(s.expect("status")).To(gomega.ContainSubstring("There is no Federation in namespace " + s.namespace))
	s.create(example.Closed())
	screen, _, code := s.run("status", "cup")
	s.Expect(code).To(gomega.Equal(cli.ExitFound))
	s.Expect(screen).To(gomega.ContainSubstring("Federation " + s.namespace + "/cup  ConnectionTimeout\n"))
	s.Expect(screen).To(gomega.ContainSubstring("Live sessions are left out: the server has not been set up yet"))
	list, _, code := s.run("status")
	s.Expect(code).To(gomega.Equal(cli.ExitFound))
	s.Expect(list).To(gomega.MatchRegexp(`(?m)^cup +cupdomain.com +False +ConnectionTimeout `))
	list, _, _ = s.run("status", "-A")
	s.Expect(list).To(gomega.MatchRegexp(`(?m)^` + s.namespace + ` +cup +cupdomain.com `))
}

func TestStatusSaysWhichRightIsMissingForSessions(t *testing.T) {
	s := newSeat(t)
	fed := s.create(example.Healthy())
	reader := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "reader"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"xmppfed.io"}, Resources: []string{"federations"}, Verbs: []string{"get", "list"}}},
	}
	s.Expect(s.api.Create(t.Context(), reader)).To(gomega.Succeed())
	s.Expect(s.api.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "reader"},
		Subjects:   []rbacv1.Subject{{Kind: "User", Name: "oncall", APIGroup: "rbac.authorization.k8s.io"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: reader.Name},
	})).To(gomega.Succeed())
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: fed.Namespace, Name: "cup-server"}, Data: map[string][]byte{"token": []byte("t")},
	}
	s.Expect(s.api.Create(t.Context(), secret)).To(gomega.Succeed())
	s.Expect(s.expect("status", "cup")).To(gomega.ContainSubstring("Live sessions are left out: no pod of the server runs"))
	s.Eventually(func() string {
		out, errOut, _ := s.run("status", "cup", "--as", "oncall")
		return strings.Join(strings.Fields(out+errOut), " ")
	}).Should(gomega.And(gomega.ContainSubstring("cupdomain.com federates"), gomega.ContainSubstring(
		"Live sessions are left out: you may not read Secret "+s.namespace+"/cup-server")))
}

// tape is output that can be read while it is written.
type tape struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *tape) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *tape) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestStatusIsShownAgainWhenItChanges(t *testing.T) {
	s := newSeat(t)
	fed := s.create(example.Healthy())
	ctx, cancel := context.WithCancel(t.Context())
	var out tape
	ended := make(chan int)
	go func() {
		ended <- cli.Run(ctx, []string{"status", "cup", "--watch"},
			genericiooptions.IOStreams{Out: &out, ErrOut: &out})
	}()
	shown := func(what string) func() bool {
		return func() bool { return strings.Contains(out.String(), what) }
	}
	s.Eventually(shown("/cup  Ready\n"), 20*time.Second).Should(gomega.BeTrue())
	fed.Status.Conditions = example.Closed().Status.Conditions
	s.Expect(s.api.Status().Update(ctx, fed)).To(gomega.Succeed())
	s.Eventually(shown("/cup  ConnectionTimeout\n"), 20*time.Second).Should(gomega.BeTrue())
	s.Expect(strings.Count(out.String(), "Federation "+s.namespace)).To(gomega.Equal(2), "one screen for each state:\n%s", out.String())
	cancel()
	s.Eventually(ended, 10*time.Second).Should(gomega.Receive(gomega.BeZero()))
}

// manifest of the example's spec, changed.
func (s *seat) manifest(name string, change func(*v1alpha1.Federation)) string {
	s.t.Helper()
	fed := example.Spec()
	fed.Namespace = s.namespace
	change(fed)
	content, err := yaml.Marshal(map[string]any{
		"apiVersion": fed.APIVersion, "kind": fed.Kind, "metadata": map[string]any{"name": fed.Name, "namespace": fed.Namespace},
		"spec": fed.Spec,
	})
	s.Expect(err).NotTo(gomega.HaveOccurred())
	return s.write(name, string(content))
}

func TestPlanComparesWithTheClusterAndChangesNothing(t *testing.T) {
	s := newSeat(t)
	fed := s.create(example.Healthy())
	s.zone("cupdomain.com", "{from: All}")
	same := s.expect("plan", "-f", s.manifest("same.yaml", func(*v1alpha1.Federation) {}))
	s.Expect(same).To(gomega.HavePrefix("Objects: 0 to create, 0 to change, 0 to delete, 9 unchanged\n"))
	out := s.expect("plan", "-f", s.manifest("changed.yaml", func(fed *v1alpha1.Federation) {
		fed.Spec.Exposure.Port, fed.Spec.DNS.Hostname = 15269, "xmpp1.cupdomain.com"
	}))
	for _, want := range []string{
		"~ Federation " + s.namespace + "/cup\n", "spec.exposure.port: 5269 -> 15269", "spec.ports[s2s].port: 5269 -> 15269",
		"~ SRV _xmpp-server._tcp.cupdomain.com\n      - 0 0 5269 cup1.cupdomain.com. (TTL 300)\n      + 0 0 15269 xmpp1.cupdomain.com. (TTL 300)\n",
		"- A cup1.cupdomain.com\n",
		"+ A xmpp1.cupdomain.com\n      + 203.0.113.128 (TTL 300)\n", "Records: 1 to create, 2 to change, 1 to delete, 0 unchanged\n",
	} {
		s.Expect(out).To(gomega.ContainSubstring(want))
	}
	live := &v1alpha1.Federation{}
	s.Expect(s.api.Get(t.Context(), client.ObjectKeyFromObject(fed), live)).To(gomega.Succeed())
	s.Expect(live.ResourceVersion).To(gomega.Equal(fed.ResourceVersion))
}

func TestPlanTakesAwayWhatTheManifestNoLongerHas(t *testing.T) {
	s := newSeat(t)
	s.zone("a.example", "{from: All}")
	for name, last := range map[string]string{
		"as kubectl apply does":               "applied",
		"as kubectl apply --server-side does": "",
	} {
		t.Run(name, func(t *testing.T) {
			g := gomega.NewWithT(t)
			const without = `{"apiVersion":"xmppfed.io/v1alpha1","kind":"Federation","metadata":{"name":"NAME"},"spec":{"domains":["a.example"]}}`
			const with = `{"apiVersion":"xmppfed.io/v1alpha1","kind":"Federation","metadata":{"name":"NAME"},` +
				`"spec":{"domains":["a.example"],"server":{"groupChat":{"subdomain":"rooms"}}}}`
			id := "server-side"
			if last != "" {
				id = "client-side"
			}
			content := strings.ReplaceAll(with, "NAME", id)
			fed := &v1alpha1.Federation{}
			g.Expect(yaml.UnmarshalStrict([]byte(content), fed)).To(gomega.Succeed())
			fed.Namespace = s.namespace
			if last != "" {
				fed.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: content}
				g.Expect(s.api.Create(t.Context(), fed)).To(gomega.Succeed())
			} else {
				//nolint:staticcheck // the typed form of Apply needs generated configurations
				g.Expect(s.api.Patch(t.Context(), fed, client.RawPatch(client.Apply.Type(), []byte(content)), client.FieldOwner("kubectl"))).
					To(gomega.Succeed())
			}
			t.Cleanup(func() { g.Expect(s.api.Delete(context.Background(), fed)).To(gomega.Succeed()) })
			out := s.expect("plan", "-f", s.write(id+".yaml", strings.ReplaceAll(without, "NAME", id)))
			g.Expect(out).To(gomega.ContainSubstring("spec.server.groupChat.subdomain: rooms -> (none)"))
			g.Expect(out).To(gomega.ContainSubstring("- SRV _xmpp-server._tcp.rooms.a.example"))
		})
	}
}

func TestPlanSaysWhichNamesAFederationCanNotHave(t *testing.T) {
	s := newSeat(t)
	s.zone("a.example", "{from: All}")
	s.zone("b.example", "{from: Selector, selector: {matchLabels: {publishes: 'yes'}}}")
	holder := &v1alpha1.Federation{}
	s.Expect(yaml.UnmarshalStrict([]byte(`{metadata: {name: holder}, spec: {domains: [a.example]}}`), holder)).To(gomega.Succeed())
	s.create(holder)
	const federation = "---\n{apiVersion: xmppfed.io/v1alpha1, kind: Federation, metadata: {name: NAME}, spec: {domains: [DOMAIN]}}\n"
	wanting := func(name, domain string) string {
		return strings.NewReplacer("NAME", name, "DOMAIN", domain).Replace(federation)
	}
	for name, test := range map[string]struct {
		manifest string
		want     []string
	}{
		"for want of a zone":       {wanting("new", "c.example"), []string{"spec.domains[0]: no DNSZone covers c.example", "(ZoneNotFound)"}},
		"by the rule of the zone":  {wanting("new", "b.example"), []string{"b.example lies in DNSZone b.example, which does not let", "(DomainNotAllowed)"}},
		"because another has them": {wanting("new", "a.example"), []string{"a.example belongs to Federation holder", "(DomainClaimed)"}},
		"because one before in the file takes them": {
			"{apiVersion: xmppfed.io/v1alpha1, kind: DNSZone, metadata: {name: d}, spec: {zone: d.example, namespaces: {from: All}, " +
				"provider: {manual: {}}}}\n" + wanting("first", "d.example") + wanting("second", "d.example"),
			[]string{"second spec.domains[0]: d.example belongs to Federation first", "+ StatefulSet " + s.namespace + "/first"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := gomega.NewWithT(t)
			out, errOut, code := s.run("plan", "-f", s.write("plan.yaml", test.manifest))
			g.Expect(code).To(gomega.Equal(cli.ExitFound), "%s%s", out, errOut)
			out = strings.Join(strings.Fields(out), " ")
			for _, want := range test.want {
				g.Expect(out).To(gomega.ContainSubstring(want))
			}
			g.Expect(out).NotTo(gomega.ContainSubstring("+ StatefulSet "+s.namespace+"/new"), "nothing follows from it")
		})
	}
	s.Expect(s.expect("plan", "-f", s.write("again.yaml", wanting("holder", "a.example")))).To(gomega.ContainSubstring("9 unchanged"))
}

func TestPlanOfManyDocumentsSaysWhatIsRefused(t *testing.T) {
	s := newSeat(t)
	s.zone("a.example", "{from: All}")
	file := s.write("many.yaml", `
apiVersion: v1
kind: Namespace
metadata: {name: to-come}
---
apiVersion: xmppfed.io/v1alpha1
kind: Federation
metadata: {name: first, namespace: to-come}
spec: {domains: [a.example]}
---
apiVersion: xmppfed.io/v1alpha1
kind: Federation
metadata: {name: second}
spec: {domains: [B.example], exposure: {port: 70000}}
---
apiVersion: xmppfed.io/v1alpha1
kind: Federation
metadata: {name: third}
spec: {domains: [c.example], server: {replicas: 2}}
`)
	s.Expect(s.write("nowhere.yaml", `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: nowhere}}`)).To(gomega.BeAnExistingFile())
	out, _, code := s.run("plan", "-f", filepath.Join(s.dir, "nowhere.yaml"))
	s.Expect(code).To(gomega.Equal(cli.ExitFound))
	s.Expect(out).To(gomega.ContainSubstring("metadata.namespace: there is no namespace nowhere; run kubectl create"))
	for _, mode := range [][]string{nil, {"--offline"}} {
		out, errOut, code := s.run(append([]string{"plan", "-f", file}, mode...)...)
		s.Expect(code).To(gomega.Equal(cli.ExitFound), "%s%s", out, errOut)
		out = strings.Join(strings.Fields(out), " ")
		for _, want := range []string{
			"! Federation " + s.namespace + "/second spec.exposure.port: ", "! Federation " + s.namespace + "/third ",
			"+ Namespace to-come", "+ Federation to-come/first", "+ StatefulSet to-come/first",
		} {
			s.Expect(out).To(gomega.ContainSubstring(want), "%v", mode)
		}
	}
}

func TestNamesOfFederationsAreCompleted(t *testing.T) {
	s := newSeat(t)
	s.create(example.Healthy())
	out := s.expect("__complete", "status", "c")
	s.Expect(out).To(gomega.HavePrefix("cup\tcupdomain.com\n"))
	s.Expect(s.expect("__complete", "records", "cup", "-o", "")).To(gomega.HavePrefix("bind\ntable\njson\n"))
}
