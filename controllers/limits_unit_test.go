// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

func TestJudgeLimits_SaysWhatFitsTheBounds(t *testing.T) {
	const (
		list    = "list the partner's domain in spec.peers"
		guesses = "`Login failed` in the server's log"
		sources = "spec.exposure.loadBalancer.sourceRanges"
		memory  = "raise the limit in spec.server.podTemplate.resources"
		volume  = "see condition ServerReady"
		rate    = "it is read later"
	)
	for name, tc := range map[string]struct {
		bounds          []string
		reason          string
		says, saysNot   []string
		before, thereby string
	}{
		"guesses of passwords": {
			bounds: []string{"logins"}, reason: v1alpha1.ReasonRefusing, says: []string{guesses, sources}, saysNot: []string{list, memory},
		},
		"partners": {
			bounds: []string{"incoming streams", "pending names"}, reason: v1alpha1.ReasonRefusing, says: []string{list}, saysNot: []string{guesses, memory},
		},
		"connections of strangers": {
			bounds: []string{"connections of servers"}, reason: v1alpha1.ReasonRefusing, says: []string{sources}, saysNot: []string{list, guesses},
		},
		"stanzas of many parts": {
			bounds: []string{"unfinished stanzas"}, reason: v1alpha1.ReasonRefusing, says: []string{"nothing has to be done", "in the server's log"},
			saysNot: []string{list, guesses},
		},
		"what users don't take": {
			bounds: []string{"subscription requests"}, reason: v1alpha1.ReasonRefusing, says: []string{"nothing has to be done"}, saysNot: []string{list, guesses},
		},
		"what is kept of clients": {
			bounds: []string{"sessions of a user", "history of rooms"}, reason: v1alpha1.ReasonRefusing, says: []string{"no message to a user is lost"},
			saysNot: []string{list, guesses},
		},
		"the rate of strangers": {
			bounds: []string{"rate of unlisted domains"}, reason: v1alpha1.ReasonRefusing, says: []string{rate, list}, saysNot: []string{guesses},
		},
		"memory before all others": {
			bounds: []string{"logins", "memory", "names"}, reason: v1alpha1.ReasonShortOfMemory, says: []string{memory, guesses, list},
			before: memory, thereby: guesses,
		},
		"the volume before partners": {
			bounds: []string{"full volume", "names"}, reason: v1alpha1.ReasonRefusing, says: []string{volume, list}, before: volume, thereby: list,
		},
		"a bound of a newer server": {
			bounds: []string{"moon phases"}, reason: v1alpha1.ReasonRefusing, says: []string{"nothing has to be done unless"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := judgeLimits(tc.bounds, 15*time.Minute)
			want := append([]string{"in the last 15 minutes", strings.Join(tc.bounds, ", ")}, tc.says...)
			for _, text := range want {
				if !strings.Contains(got.message, text) {
					t.Errorf("%q is missing in: %s", text, got.message)
				}
			}
			for _, text := range append(tc.saysNot, "is refused", "is near") {
				if strings.Contains(got.message, text) {
					t.Errorf("%q is said in: %s", text, got.message)
				}
			}
			if got.reason != tc.reason || strings.Index(got.message, tc.before) > strings.Index(got.message, tc.thereby) {
				t.Errorf("got %s: %s", got.reason, got.message)
			}
		})
	}
	if !judgeLimits(nil, time.Minute).absent {
		t.Error("nothing is refused, and something is said")
	}
}
