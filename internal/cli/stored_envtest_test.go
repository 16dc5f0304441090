// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package cli_test

import (
	"context"
	"testing"

	"github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/cli/example"
	"github.com/xmppfed/xmppfed/internal/testkit/kubetest"
)

// Federations that were stored before a rule of admission can be shown, beside the others.
func TestAStoredFederationThatCannotBeReadKeepsNobodyFromTheirStatus(t *testing.T) {
	s := newSeat(t)
	s.create(example.Healthy())
	for name, spec := range map[string]string{"old": "{domains: [old.example], server: {storage: {size: abc}}}", "none": "{domains: []}"} {
		stored := kubetest.Store(t, `{apiVersion: xmppfed.io/v1alpha1, kind: Federation, metadata: {name: `+name+`, namespace: `+s.namespace+
			`}, spec: `+spec+`, status: {conditions: [{type: Ready, status: "False", reason: SpecUnreadable, message: `+
			`spec.server.storage.size can not be read, lastTransitionTime: "2026-01-01T00:00:00Z"}]}}`)
		t.Cleanup(func() { s.Expect(s.api.Delete(context.Background(), stored)).To(gomega.Succeed()) })
	}
	out, errOut, _ := s.run("status")
	s.Expect(out).To(gomega.And(gomega.ContainSubstring("cup"), gomega.MatchRegexp(`old +old\.example.*SpecUnreadable`),
		gomega.MatchRegexp(`none .*SpecUnreadable`)), errOut)
	for _, args := range [][]string{{"status", "old"}, {"status", "none"}} {
		out, errOut, _ = s.run(args...)
		s.Expect(out).To(gomega.ContainSubstring("SpecUnreadable"), errOut)
	}
	for _, name := range []string{"old", "none"} {
		_, errOut, _ = s.run("records", name)
		s.Expect(errOut).NotTo(gomega.ContainSubstring("panic"))
	}
	out, _, _ = s.run("__complete", "status", "")
	s.Expect(out).To(gomega.And(gomega.ContainSubstring("old\told.example"), gomega.ContainSubstring("none\n")))
	plan := s.write("fed.yaml", "{apiVersion: xmppfed.io/v1alpha1, kind: Federation, metadata: {name: old}, "+
		"spec: {domains: [old.example], server: {storage: {size: 1Gi}}}}")
	_, errOut, _ = s.run("plan", "-f", plan)
	s.Expect(errOut).To(gomega.BeEmpty(), "a correction can be planned")
}
