// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/text"
)

// RenderList is a table of Federations. Namespaces are named where there can be several.
func RenderList(feds []v1alpha1.Federation, namespaces bool, now time.Time, style text.Style) string {
	table := text.Table{Header: []string{"NAMESPACE", "NAME", "DOMAIN", "AVAIL", "STATUS", "CERT", "PEERS", "SINCE", "MESSAGE"}}
	for i := range feds {
		table.Rows = append(table.Rows, row(&feds[i], namespaces, now))
	}
	return table.Render(style)
}

func row(fed *v1alpha1.Federation, namespaces bool, now time.Time) []text.Cell {
	var namespace, certificate, since, message text.Cell
	if namespaces {
		namespace.Text = fed.Namespace
	}
	available := text.Cell{Text: string(metav1.ConditionUnknown), Tone: text.Warning}
	if c := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionAvailable); c != nil {
		available = text.Cell{Text: string(c.Status), Tone: toneOf(c.Status)}
	}
	state := text.Cell{Text: "Unknown", Tone: text.Warning}
	if ready := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		state = text.Cell{Text: ready.Reason, Tone: toneOfReady(fed, ready.Status)}
		since.Text = age(ready.LastTransitionTime.Time, now)
		if ready.Status != metav1.ConditionTrue {
			message.Text = ready.Message
		}
	}
	if c := fed.Status.Certificate; c != nil {
		certificate.Text = age(now, c.NotAfter.Time) // the time that is left
		_, certificate.Tone = validity(c.NotAfter.Time, now)
	}
	peers := text.Cell{Text: fed.Status.PeersReachable}
	if reachable, all, _ := strings.Cut(peers.Text, "/"); reachable != all {
		peers.Tone = text.Warning
	}
	domain := text.Cell{}
	if len(fed.Spec.Domains) > 0 {
		domain.Text = string(fed.Spec.Domains[0])
	}
	if more := len(fed.Spec.Domains) - 1; more > 0 {
		domain.Text += fmt.Sprintf(" +%d", more)
	}
	return []text.Cell{namespace, {Text: fed.Name}, domain, available, state, certificate, peers, since, message}
}
