// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

func TestScope_noHost(t *testing.T) {
	const anchor = "xmpp.a.example."
	refused := map[string]*dns.Error{anchor: {Reason: v1alpha1.ReasonRecordExistsUnowned}}
	failed := outcome.Unknown(v1alpha1.ReasonServerUnavailable, "no answer")
	published := []v1alpha1.RecordStatus{{Name: "xmpp.a.example", Type: "A", Data: []string{"203.0.113.1"}, State: v1alpha1.RecordPublished}}
	pending := []v1alpha1.RecordStatus{{Name: "xmpp.a.example", Type: "A", Data: []string{"203.0.113.1"}, State: v1alpha1.RecordPending}}
	for name, test := range map[string]struct {
		before []v1alpha1.RecordStatus
		report zoneReport
		err    error
		want   string
	}{
		"it was published now":                     {},
		"the name is somebody else's":              {report: zoneReport{refused: refused}, want: v1alpha1.ReasonRecordExistsUnowned},
		"the name has become somebody else's":      {before: published, report: zoneReport{refused: refused}, want: v1alpha1.ReasonRecordExistsUnowned},
		"one of its records is in the way":         {report: zoneReport{refused: refused, kept: []string{anchor}}},
		"another name is refused":                  {report: zoneReport{refused: map[string]*dns.Error{"b.example.": {}}}},
		"its zone is dead":                         {err: failed, want: v1alpha1.ReasonServerUnavailable},
		"its zone is dead, and it never got there": {before: pending, err: failed, want: v1alpha1.ReasonServerUnavailable},
		"its zone has died":                        {before: published, err: failed},
		"name servers lag":                         {err: outcome.Waiting(v1alpha1.ReasonPropagationPending, 0, "lag")},
		"nobody knows":                             {err: errors.New("unknown"), want: v1alpha1.ReasonReconcileFailed},
	} {
		t.Run(name, func(t *testing.T) {
			fed := &v1alpha1.Federation{Spec: v1alpha1.FederationSpec{DNS: v1alpha1.DNSSpec{Hostname: "xmpp.a.example"}}}
			fed.Status.Records = test.before
			got := newScope(fed).noHost(test.report, test.err)
			if (got == nil) != (test.want == "") || got != nil && got.Reason != test.want {
				t.Errorf("got %+v, want %q", got, test.want)
			}
		})
	}
}
