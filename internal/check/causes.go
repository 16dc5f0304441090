// SPDX-License-Identifier: Apache-2.0

package check

import (
	"net/netip"
	"slices"
)

// way are the checks of the way in that everything after depends on.
var way = []ID{ServiceRecord, TargetResolves, TCP, StreamOpens, EncryptionKept, Handshake, Clock, Certificate}

// rule says that a failure explains others, so that they are not blamed besides.
type rule struct {
	causes, effects []ID
	// onPartners is set when the causes are with us and the effects show at partners; else both are of one domain.
	onPartners bool
}

var rules = []rule{
	{causes: []ID{LoadBalancer}, effects: append([]ID{ServerAnswers, DirectTLS, GroupChat, DialbackOffer, Sessions, Drift}, way[2:]...)},
	{causes: way, effects: []ID{DirectTLS, DANE, POSH}},
	{causes: []ID{Drift}, effects: []ID{DialbackKey}},
	{
		causes:  []ID{HostedThere},
		effects: []ID{External, AsksForOurs, DialbackOffer, DialbackCall, RefusedAsOwn, Policy, RoundTrip, StreamOpens},
	},
	{
		causes:     append([]ID{PublicAddress, ServicePort, LoadBalancer, ServerAnswers}, way...),
		effects:    []ID{DialbackCall, RefusedAsOwn, RoundTrip},
		onPartners: true,
	},
}

// FirstCauses leaves of failures that follow from each other only the first: the others are skipped and name it. Ours are
// our domains.
func FirstCauses(results []Result, ours []string) []Result {
	for i, effect := range results {
		if because, ok := causeOf(effect, results, ours); ok {
			results[i] = hide(effect, because)
		}
	}
	return results
}

// SilentBecause finds among failures the one that explains it, should a ping of the partner stay without an answer.
func SilentBecause(found []Result, ours []string, partner string) (ID, bool) {
	return causeOf(silence(partner), found, ours)
}

// SilentPing is the result of a ping that was not waited for, because a failure explains its silence.
func SilentPing(partner string, because ID) Result { return hide(silence(partner), because) }

func silence(partner string) Result {
	return Result{ID: RoundTrip, Domain: partner, From: Cluster, Mark: Fail}
}

// causeOf finds the failure that explains a result.
func causeOf(effect Result, results []Result, ours []string) (ID, bool) {
	isOurs := func(r Result) bool { return slices.Contains(ours, r.Domain) }
	if effect.Mark != Fail && effect.Mark != Warn {
		return "", false
	}
	for _, rule := range rules {
		if !slices.Contains(rule.effects, effect.ID) || rule.onPartners && isOurs(effect) {
			continue
		}
		cause := slices.IndexFunc(results, func(r Result) bool {
			switch {
			case r.Mark != Fail || !slices.Contains(rule.causes, r.ID) || r.ID == effect.ID || elsewhere(r, effect):
				return false
			case rule.onPartners:
				return isOurs(r)
			}
			return r.Domain == effect.Domain || r.ID == LoadBalancer && isOurs(effect) && isOurs(r)
		})
		if cause >= 0 {
			return results[cause].ID, true
		}
	}
	return "", false
}

// elsewhere tells whether two results are about different addresses.
func elsewhere(a, b Result) bool {
	one, err := netip.ParseAddrPort(a.Subject)
	two, err2 := netip.ParseAddrPort(b.Subject)
	return err == nil && err2 == nil && one.Addr() != two.Addr()
}

// hide makes a result one that an earlier failure left without a way to judge.
func hide(r Result, because ID) Result {
	hidden := hidden(because, r.Subject, r.ID)[0]
	hidden.Domain, hidden.From = r.Domain, r.From
	return hidden
}
