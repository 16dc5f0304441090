// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"slices"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/example"
	"github.com/xmppfed/xmppfed/internal/cli/plan"
)

func TestProblemsWithNamesComeInTheOrderOfTheSpec(t *testing.T) {
	fed := example.Healthy()
	fed.Spec.Domains = []v1alpha1.DomainName{"b.example", "c.example", "a.example"}
	var fields []string
	for _, problem := range plan.Names(fed, plan.Estate{}) {
		fields = append(fields, problem.Field)
	}
	want := []string{"spec.domains[0]", "spec.domains[1]", "spec.domains[2]"}
	if len(fields) < 3 || !slices.Equal(fields[:3], want) {
		t.Errorf("got %q, want them to begin with %q", fields, want)
	}
}
