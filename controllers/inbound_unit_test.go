// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// Otherwise the end of each check would have the next try made at once, which checks another certificate, for as long as it lasts.
func TestWhatCanNotBeWrittenIsNotChecked(t *testing.T) {
	for name, test := range map[string]struct {
		server error
		want   bool
	}{
		"the API server takes no Secret": {errors.New("applying Secret chat/cup-server: forbidden"), false},
		"the pods are restarted":         {outcome.Waiting(v1alpha1.ReasonRollingOut, 0, "0 of 1 pods are ready"), true},
		"the server runs":                {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScope(&v1alpha1.Federation{})
			s.findings[v1alpha1.ConditionDNSPublished] = finding{reason: v1alpha1.ReasonPublished}
			server := finding{reason: v1alpha1.ReasonRunning}
			if test.server != nil {
				server = finding{err: failure(test.server)}
			}
			s.findings[v1alpha1.ConditionServerReady] = server
			got := (&FederationReconciler{}).worthChecking(s, checked[check.Verdict]{inputs: "the former certificate"})
			if got != test.want {
				t.Errorf("worth checking: %v, want %v", got, test.want)
			}
		})
	}
}
