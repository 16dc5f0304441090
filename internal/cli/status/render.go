// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/records"
	"github.com/xmppfed/xmppfed/internal/cli/text"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// Render is the screen of one Federation.
func Render(m Model, style text.Style) string {
	sections := []string{
		headline(m, style), facts(m, style), conditions(m, style), recordTable(m, style), peers(m, style), sessions(m, style),
	}
	kept := sections[:0]
	for _, section := range sections {
		if section != "" {
			kept = append(kept, section)
		}
	}
	return strings.Join(kept, "\n")
}

// headline says in one sentence whether all is well and, if not, what to do first.
func headline(m Model, style text.Style) string {
	fed := m.Federation
	name := style.Paint(text.Strong, "Federation "+fed.Namespace+"/"+fed.Name)
	ready := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionReady)
	word, tone, message := "Unknown", text.Warning, "the operator has not looked at it yet; is it running?"
	switch {
	case ready == nil:
	case ready.Status == metav1.ConditionTrue:
		word, tone, message = "Ready", text.Good, ready.Message
	default:
		word, tone, message = ready.Reason, toneOfReady(fed, ready.Status), ready.Message
	}
	line := name + "  " + style.Paint(tone, word) + "\n"
	for _, note := range append([]string{message}, notes(fed)...) {
		for _, wrapped := range text.Wrap(text.Clean(note), style.Width) {
			line += wrapped + "\n"
		}
	}
	return line
}

// notes are what a reader has to know to read the rest rightly.
func notes(fed *v1alpha1.Federation) []string {
	var notes []string
	if fed.DeletionTimestamp != nil {
		notes = append(notes, "It is being deleted.")
	}
	switch {
	case fed.Spec.Suspend:
		notes = append(notes,
			"It is suspended: spec.suspend keeps the operator from changing anything. What follows may be from before that.")
	case fed.Status.ObservedGeneration != 0 && fed.Status.ObservedGeneration != fed.Generation:
		notes = append(notes, "What follows speaks of the spec before its last change; the operator has not seen that yet.")
	}
	return notes
}

// facts are what others have to know: where it is reached, by which certificate, and what runs.
func facts(m Model, style text.Style) string {
	fed := m.Federation
	table := text.Table{Header: []string{"", ""}}
	add := func(name, value string, tone text.Tone) {
		if value != "" {
			table.Rows = append(table.Rows, []text.Cell{{Text: name, Tone: text.Faint}, {Text: value, Tone: tone}})
		}
	}
	if available := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionAvailable); available != nil {
		value := string(available.Status)
		if available.Status != metav1.ConditionTrue {
			value += ": " + available.Message
		}
		add("AVAILABLE", value, toneOf(available.Status))
	}
	add("DOMAINS", strings.Join(desired.AddressableDomains(fed), ", "), text.Plain)
	if len(fed.Status.Addresses) > 0 {
		add("ADDRESS", fmt.Sprintf("%s port %d, as %s",
			strings.Join(fed.Status.Addresses, ", "), fed.Spec.Exposure.Port, desired.Hostname(fed)), text.Plain)
	} else {
		add("ADDRESS", "none yet", text.Warning)
	}
	if certificate := fed.Status.Certificate; certificate != nil {
		value, tone := validity(certificate.NotAfter.Time, m.Now)
		add("CERTIFICATE", value+", from "+certificate.Issuer, tone)
	}
	if server := fed.Status.Server; server != nil {
		tone := text.Plain
		if server.ReadyReplicas < fed.Spec.Server.Replicas {
			tone = text.Bad
		}
		add("SERVER", fmt.Sprintf("%s, %d of %d pods ready", strings.TrimSpace(string(server.Engine)+" "+server.Version),
			server.ReadyReplicas, fed.Spec.Server.Replicas), tone)
	}
	for _, row := range load(m.Live) {
		add(row.name, row.value, row.tone)
	}
	_, written, _ := strings.Cut(table.Render(style), "\n") // without the empty header
	return written
}

// validity says how long a certificate is still good for.
func validity(notAfter, now time.Time) (string, text.Tone) {
	date := notAfter.UTC().Format(time.DateOnly)
	left := notAfter.Sub(now)
	days := int(math.Floor(left.Hours() / 24))
	switch {
	case left <= 0:
		return "expired " + date, text.Bad
	case left < soon:
		return fmt.Sprintf("%s left, until %s", count(days, "day"), date), text.Warning
	}
	return fmt.Sprintf("%s left, until %s", count(days, "day"), date), text.Plain
}

// derived conditions are not listed: they repeat what Ready says, which is the headline, or stand among the facts.
var derived = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionAvailable, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled,
	v1alpha1.ConditionSuspended,
}

// conditions are listed in the order in which a Federation reaches them. What the headline says is not said again.
func conditions(m Model, style text.Style) string {
	all := m.Federation.Status.Conditions
	said := ""
	if ready := meta.FindStatusCondition(all, v1alpha1.ConditionReady); ready != nil {
		said = ready.Message
	}
	table := text.Table{Header: []string{"CONDITION", "STATUS", "REASON", "AGE", "MESSAGE"}}
	for _, condition := range all {
		if slices.Contains(derived, condition.Type) {
			continue
		}
		message := text.Cell{Text: condition.Message, Optional: condition.Status == metav1.ConditionTrue}
		switch {
		case said != "" && strings.HasPrefix(said, condition.Message):
			message = text.Cell{Text: "see above", Optional: true}
		case condition.Type == v1alpha1.ConditionPeersReachable && len(m.Federation.Status.Peers) > 0:
			message = text.Cell{Text: "see below", Optional: true}
		}
		tone := toneOf(condition.Status)
		if condition.Type == v1alpha1.ConditionLimitsReached { // True is not good
			message.Optional, tone = false, text.Warning
		}
		table.Rows = append(table.Rows, []text.Cell{
			{Text: condition.Type}, {Text: string(condition.Status), Tone: tone}, {Text: condition.Reason},
			{Text: age(condition.LastTransitionTime.Time, m.Now)}, message,
		})
	}
	return table.Render(style)
}

// recordTable lists the records, those first that are not published if they are many.
func recordTable(m Model, style text.Style) string {
	list := records.Of(m.Federation)
	fine := func(r records.Record) bool { return r.State == string(v1alpha1.RecordPublished) }
	shown, rest := first(list.Records, fine, "published")
	list.Records = shown
	return records.Table(list, style) + rest
}

func peers(m Model, style text.Style) string {
	table := text.Table{Header: []string{"PEER", "POLICY", "REACHABLE", "AUTHENTICATION", "RTT", "SINCE", "REASON"}}
	fine := func(p v1alpha1.PeerStatus) bool {
		return p.Reachable == metav1.ConditionTrue && p.DelayedSince == nil || p.Reason == v1alpha1.ReasonPeerDenied
	}
	explained := 0
	shown, rest := first(m.Federation.Status.Peers, fine, "reachable or denied")
	for _, peer := range shown {
		authentication := peer.Authentication
		if authentication != "" && !peer.Encrypted {
			authentication += ", no TLS"
		}
		reachable := text.Cell{Text: string(peer.Reachable), Tone: toneOf(peer.Reachable)}
		reason := text.Cell{Text: peer.Reason}
		switch {
		case peer.Reachable == metav1.ConditionTrue && peer.DelayedSince != nil:
			reason = text.Cell{Tone: text.Warning, Text: "sends more than its kilobytesPerSecond, so that it is read later, since " +
				age(peer.DelayedSince.Time, m.Now)}
		case peer.Reachable == metav1.ConditionTrue:
			reason.Text = "" // nothing is wrong
		case peer.Reason == v1alpha1.ReasonPeerDenied:
			reachable, reason = text.Cell{Text: "-"}, text.Cell{Text: peer.Reason, Optional: true} // as it should be
		case peer.Message != "" && explained < maxExplained:
			reason.Text += ": " + peer.Message
			explained++
		}
		table.Rows = append(table.Rows, []text.Cell{
			{Text: peer.Domain}, {Text: policy(peer.Policy)}, reachable, {Text: authentication}, {Text: roundTrip(peer.RoundTrip)},
			{Text: age(peer.LastTransitionTime.Time, m.Now)}, reason,
		})
	}
	return table.Render(style) + rest
}

// policy is a peer's policy in short. Services that only have to know that they don't host our domains have none.
func policy(p *v1alpha1.PeerPolicy) string {
	switch {
	case p == nil:
		return "watched"
	case p.Access == v1alpha1.PeerAccessDeny:
		return "denied"
	case p.TLS == v1alpha1.PeerTLSDisabled:
		return "no TLS"
	case p.TLS == v1alpha1.PeerTLSOptional:
		return "TLS optional"
	}
	return string(p.Authentication)
}

func roundTrip(took *metav1.Duration) string {
	if took == nil {
		return ""
	}
	return took.Round(time.Millisecond).String()
}

// sessions are the streams between servers that stand now.
func sessions(m Model, style text.Style) string {
	if m.SessionsLeftOut != "" {
		return strings.Join(text.Wrap(text.Clean("Live sessions are left out: "+m.SessionsLeftOut), style.Width), "\n") + "\n"
	}
	all, total := streams(m.Live)
	if len(all) == 0 {
		const none = "No live sessions: the server opens streams when stanzas are to be sent, and ends them when idle."
		return strings.Join(text.Wrap(none, style.Width), "\n") + "\n"
	}
	table := text.Table{Header: []string{"SESSION", "REMOTE", "LOCAL", "TLS", "PROVEN BY", "AGE", "QUEUE"}}
	shown := slices.SortedStableFunc(slices.Values(all), compareSessions)
	shown = shown[:min(len(shown), screenful)]
	for _, session := range shown {
		direction := "<-- in"
		if session.Direction == "outgoing" {
			direction = "--> out"
		}
		if session.Bidirectional {
			direction = "<-> both"
		}
		encryption, tone := session.TLSVersion, text.Plain
		if !session.Secure {
			encryption, tone = "none", text.Warning
		}
		queue := ""
		if session.Queue > 0 {
			queue = count(int(session.Queue), "stanza") + " waiting"
		}
		table.Rows = append(table.Rows, []text.Cell{
			{Text: direction}, {Text: orUnknown(session.Remote)}, {Text: orUnknown(session.Local)}, {Text: encryption, Tone: tone},
			{Text: orUnknown(session.Authentication)}, {Text: duration.HumanDuration(time.Duration(session.Age) * time.Second)},
			{Text: queue, Tone: text.Warning},
		})
	}
	if rest := max(total, len(all)) - len(shown); rest > 0 {
		return table.Render(style) + fmt.Sprintf("... and %d more\n", rest)
	}
	return table.Render(style)
}

// first are the rows to show: all while they fit, else those that are not fine before the others. Rest is a line about
// those that are left out.
func first[T any](rows []T, fine func(T) bool, fineWord string) (shown []T, rest string) {
	if len(rows) <= screenful {
		return rows, ""
	}
	var good, bad []T
	for _, row := range rows {
		if fine(row) {
			good = append(good, row)
		} else {
			bad = append(bad, row)
		}
	}
	left := len(rows) - screenful
	leftGood := min(len(good), left)
	rest = fmt.Sprintf("... and %d more, %d of them %s\n", left, leftGood, fineWord)
	if leftGood == left {
		rest = fmt.Sprintf("... and %d more, all %s\n", left, fineWord)
	}
	return append(bad, good...)[:screenful], rest
}

// compareSessions puts those first that can't carry what is to be sent, and keeps an order that does not change from one
// look to the next.
func compareSessions(a, b engine.Session) int {
	trouble := func(s engine.Session) int {
		if s.Queue > 0 || s.Authentication == "" {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(trouble(a), trouble(b)), cmp.Compare(a.Remote, b.Remote), cmp.Compare(a.Local, b.Local),
		cmp.Compare(b.Direction, a.Direction), cmp.Compare(b.Age, a.Age))
}

func orUnknown(value string) string {
	if value == "" {
		return "?"
	}
	return value
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func age(since, now time.Time) string {
	if since.IsZero() {
		return "?"
	}
	return duration.HumanDuration(now.Sub(since))
}

// toneOfReady is that of Ready: what is wrong is no more than a warning as long as partners get through.
func toneOfReady(fed *v1alpha1.Federation, ready metav1.ConditionStatus) text.Tone {
	available := meta.FindStatusCondition(fed.Status.Conditions, v1alpha1.ConditionAvailable)
	if ready == metav1.ConditionFalse && available != nil && available.Status == metav1.ConditionTrue {
		return text.Warning
	}
	return toneOf(ready)
}

func toneOf(status metav1.ConditionStatus) text.Tone {
	switch status {
	case metav1.ConditionTrue:
		return text.Good
	case metav1.ConditionFalse:
		return text.Bad
	default:
		return text.Warning
	}
}
