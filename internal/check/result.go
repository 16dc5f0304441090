// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"slices"

	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

// Mark is the verdict of one check.
type Mark string

// Marks.
const (
	Pass Mark = "pass"
	// Warn is for what works and should still be seen to.
	Warn Mark = "warn"
	Fail Mark = "fail"
	// Skip is for what there was no reason or no way to judge.
	Skip Mark = "skip"
)

// Result is what came of one check on one thing.
type Result struct {
	ID ID `json:"id"`
	// Domain is the XMPP domain that the check is about.
	Domain string `json:"domain"`
	// From is where it was made from.
	From Vantage `json:"from"`
	// Subject is the address, name server, partner or record, where there may be several; else empty.
	Subject string `json:"subject,omitempty"`
	Mark    Mark   `json:"verdict"`
	// Words say what was found.
	Words string `json:"words"`
	// Evidence is what shows it: records, names, dates.
	Evidence []string `json:"evidence,omitempty"`
	// Fix says what to do about it; empty unless the check warns or fails.
	Fix string `json:"fix,omitempty"`
	// Reason is that of the operator's condition, where there is one for the same fault.
	Reason string `json:"reason,omitempty"`
	// Because is the failed check that left this one without a way to judge.
	Because ID `json:"because,omitempty"`
}

// sentence is what is wrong, and where.
func (r Result) sentence() string {
	if r.Subject == "" {
		return r.Words
	}
	return r.Subject + ": " + r.Words
}

// tag ends a message with the check that it comes from.
func tag(id ID) string {
	if id == "" {
		return ""
	}
	return " [" + string(id) + "]"
}

// passed is a result without fault.
func passed(id ID, subject, words string, evidence ...string) Result {
	return Result{ID: id, Subject: subject, Mark: Pass, Words: words, Evidence: evidence}
}

// skipped is a check for which there was nothing to judge.
func skipped(id ID, subject, words string) Result {
	return Result{ID: id, Subject: subject, Mark: Skip, Words: words}
}

// hidden are checks that an earlier one left without a way to judge.
func hidden(because ID, subject string, ids ...ID) []Result {
	results := make([]Result, len(ids))
	for i, id := range ids {
		results[i] = Result{ID: id, Subject: subject, Mark: Skip, Words: "because " + string(because) + " failed", Because: because}
	}
	return results
}

// firstFailure is the failed result that comes first in the order of results.
func firstFailure(results []Result) (Result, bool) {
	i := slices.IndexFunc(results, func(r Result) bool { return r.Mark == Fail })
	if i < 0 {
		return Result{}, false
	}
	return results[i], true
}

// sorted puts results in the order of their IDs, which is that of the way in and then of the way out; those of one check
// stay as they came.
func sorted(results []Result) []Result {
	slices.SortStableFunc(results, func(a, b Result) int { return cmp.Compare(a.ID, b.ID) })
	return results
}

// safe makes what others wrote fit to be shown.
func safe(r Result) Result {
	r.Words = phrase.Clean(r.Words, phrase.MaxMessage)
	r.Fix = phrase.Clean(r.Fix, phrase.MaxMessage)
	for i, line := range r.Evidence {
		r.Evidence[i] = phrase.Clean(line, phrase.MaxMessage)
	}
	return r
}
