// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package v1alpha1_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// badManifest is a spec that admission refuses, the field that it names, and what it says.
type badManifest struct {
	kind, name, spec, field, message string
}

// badUpdate is a change of a spec that admission refuses.
type badUpdate struct {
	kind, name, before, after, field, message string
}

func TestAdmissionRefusesBadManifests(t *testing.T) {
	c := newClient(t)
	table := newTable()
	for _, bad := range append(badFederations(), badZones()...) {
		t.Run(bad.kind+" with "+bad.name, func(t *testing.T) {
			g := gomega.NewWithT(t)
			err := c.Create(t.Context(), object(t, bad.kind, bad.spec), client.DryRunAll, client.FieldValidation("Strict"))
			g.Expect(err).To(gomega.HaveOccurred(), "admission accepted it")
			cause := findCause(g, err, bad.field, bad.message)
			table.add(bad.kind, bad.name, cause)
		})
	}
	table.print(t)
}

func TestAdmissionRefusesChangesThatCannotBeCarriedOut(t *testing.T) {
	c := newClient(t)
	table := newTable()
	for _, bad := range badUpdates() {
		t.Run(bad.kind+" "+bad.name, func(t *testing.T) {
			g := gomega.NewWithT(t)
			live := object(t, bad.kind, bad.before)
			live.SetName("changing")
			g.Expect(c.Create(t.Context(), live)).To(gomega.Succeed())
			defer func() { g.Expect(c.Delete(t.Context(), live)).To(gomega.Succeed()) }()

			changed := object(t, bad.kind, bad.after)
			changed.SetName(live.GetName())
			changed.SetResourceVersion(live.GetResourceVersion())
			err := c.Update(t.Context(), changed, client.DryRunAll)
			g.Expect(err).To(gomega.HaveOccurred(), "admission accepted it")
			table.add(bad.kind, bad.name, findCause(g, err, bad.field, bad.message))
		})
	}
	table.print(t)
}

func TestAdmissionRefusesNamesThatCannotNameServices(t *testing.T) {
	c := newClient(t)
	for name, sentence := range map[string]string{
		"1cup":                  "a name that starts with a digit",
		"cup.one":               "a name with a dot",
		strings.Repeat("c", 41): "a name of 41 characters",
	} {
		t.Run(sentence, func(t *testing.T) {
			g := gomega.NewWithT(t)
			fed := object(t, "Federation", "{}")
			fed.SetName(name)
			err := c.Create(t.Context(), fed, client.DryRunAll)
			g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("metadata.name must start with a letter and have at most 40")))
			fed.SetName("c" + strings.Repeat("-", 38) + "p")
			g.Expect(c.Create(t.Context(), fed, client.DryRunAll)).To(gomega.Succeed(), "the longest name")
		})
	}
}

func TestAdmissionAcceptsGoodManifests(t *testing.T) {
	c := newClient(t)
	manifests := goodManifests()
	maps.Copy(manifests, goodResources())
	for name, good := range manifests {
		t.Run(name, func(t *testing.T) {
			u := object(t, good.kind, good.spec)
			gomega.NewWithT(t).Expect(c.Create(t.Context(), u, client.DryRunAll, client.FieldValidation("Strict"))).To(gomega.Succeed())
		})
	}
}

func TestAdmissionAcceptsTheSamples(t *testing.T) {
	g := gomega.NewWithT(t)
	c := newClient(t)
	files, err := filepath.Glob("../../config/samples/*.yaml")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	samples := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		u := &unstructured.Unstructured{}
		g.Expect(yaml.Unmarshal(raw, &u.Object)).To(gomega.Succeed())
		if u.GetAPIVersion() != "xmppfed.io/v1alpha1" {
			continue
		}
		if u.GetNamespace() != "" {
			u.SetNamespace("default")
		}
		g.Expect(c.Create(t.Context(), u, client.DryRunAll, client.FieldValidation("Strict"))).To(gomega.Succeed(), file)
		samples++
	}
	g.Expect(samples).To(gomega.BeNumerically(">=", 2))
}

func TestAdmissionFillsInDefaults(t *testing.T) {
	for kind, want := range map[string]string{
		"Federation": `
domains: [cupdomain.com]
server: {engine: Prosody, replicas: 1, storage: {size: 1Gi}}
exposure: {port: 5269, loadBalancer: {externalTrafficPolicy: Cluster}}
dns: {ttl: 300, priority: 0, weight: 0, publicationPolicy: WhenServing, deletionPolicy: Delete, tlsa: Disabled}
peerDefaults: {access: Allow, tls: Required, authentication: Certificate}
verification: {interval: 5m}`,
		"DNSZone": `
zone: cupdomain.com
provider: {manual: {}}
takeover: Deny
brake: {federations: 5, percent: 10}`,
	} {
		g := gomega.NewWithT(t)
		made := object(t, kind, map[string]string{"DNSZone": "provider: {manual: {}}"}[kind])
		g.Expect(newClient(t).Create(t.Context(), made, client.DryRunAll)).To(gomega.Succeed())
		got, err := yaml.Marshal(made.Object["spec"])
		g.Expect(err).NotTo(gomega.HaveOccurred())
		g.Expect(string(got)).To(gomega.MatchYAML(want))
	}
}

// findCause finds, among the reasons of a refusal, the one that names the field and says what to do.
func findCause(g *gomega.WithT, err error, field, message string) metav1.StatusCause {
	var status apierrors.APIStatus
	g.Expect(errors.As(err, &status)).To(gomega.BeTrue(), "not an answer of the API server: %v", err)
	g.Expect(err.Error()).To(gomega.ContainSubstring(field), "the text that kubectl prints names the field")
	details := status.Status().Details
	if details == nil || len(details.Causes) == 0 {
		g.Expect(err.Error()).To(gomega.ContainSubstring(message))
		return metav1.StatusCause{Field: field, Message: err.Error()}
	}
	for _, cause := range details.Causes {
		if cause.Field == field && strings.Contains(cause.Message, message) {
			return cause
		}
	}
	g.Expect(err).NotTo(gomega.HaveOccurred(), "no cause has field %q and message %q", field, message)
	return metav1.StatusCause{}
}

// table collects what admission says, for people who want to judge the messages.
type table struct {
	text strings.Builder
	rows *tabwriter.Writer
}

func newTable() *table {
	t := &table{}
	t.rows = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', 0)
	t.row("KIND", "MANIFEST", "FIELD", "MESSAGE")
	return t
}

func (t *table) add(kind, name string, cause metav1.StatusCause) {
	t.row(kind, name, cause.Field, cause.Message)
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		if len(cell) > 200 {
			cells[i] = cell[:200] + " ..."
		}
	}
	fmt.Fprintln(t.rows, strings.Join(cells, "\t"))
}

func (t *table) print(tb testing.TB) {
	_ = t.rows.Flush()
	tb.Log("\n" + t.text.String())
}
