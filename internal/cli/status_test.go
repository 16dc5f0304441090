// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/example"
)

func TestTheExitCodeSaysWhetherAnybodyIsKeptOut(t *testing.T) {
	older := example.Healthy()
	meta.RemoveStatusCondition(&older.Status.Conditions, v1alpha1.ConditionAvailable)
	olderDown := example.Closed()
	meta.RemoveStatusCondition(&olderDown.Status.Conditions, v1alpha1.ConditionAvailable)
	for name, test := range map[string]struct {
		feds []*v1alpha1.Federation
		want int
	}{
		"there is none":                         {nil, ExitGood},
		"all are as they should be":             {[]*v1alpha1.Federation{example.Healthy(), example.Healthy()}, ExitGood},
		"one is not, and partners reach it":     {[]*v1alpha1.Federation{example.Healthy(), example.Degraded()}, ExitDegraded},
		"partners don't reach one":              {[]*v1alpha1.Federation{example.Degraded(), example.Closed(), example.Healthy()}, ExitFound},
		"nobody has looked at one":              {[]*v1alpha1.Federation{example.Healthy(), example.Fresh()}, ExitFound},
		"the operator is an older one":          {[]*v1alpha1.Federation{older}, ExitGood},
		"an older operator says that it is not": {[]*v1alpha1.Federation{olderDown}, ExitFound},
	} {
		t.Run(name, func(t *testing.T) {
			var feds []v1alpha1.Federation
			for _, fed := range test.feds {
				feds = append(feds, *fed)
			}
			if got := exitCode(stateOf(feds...)); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
