// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"slices"
)

// rooms is the group chat domain as a subject of its own.
func (s Subject) rooms() Subject {
	rooms := s
	rooms.isRooms, rooms.DialbackSecret = true, ""
	if rooms.Domain = canonical(s.GroupChat); s.GroupChat == "" {
		rooms.Domain = "conference." + s.Domain
	}
	return rooms
}

// foldRooms makes one result of those of the group chat domain. What fails for the domain itself as well is not blamed
// twice. Where it is not known whether there is group chat, the server is asked before its absence from the DNS counts.
func (c *Checker) foldRooms(ctx context.Context, s Subject, own, rooms []Result, probes []probe) Result {
	domain := s.rooms().Domain
	if s.Want != nil && s.GroupChat == "" {
		return skipped(GroupChat, "", "the Federation has no group chat")
	}
	first, failed := firstFailure(sorted(rooms))
	if !failed {
		return passed(GroupChat, domain, "partners reach it as they reach the domain")
	}
	if slices.ContainsFunc(own, func(r Result) bool { return r.ID == first.ID && r.Mark == Fail }) {
		return hidden(first.ID, domain, GroupChat)[0]
	}
	if s.GroupChat == "" && !c.serves(ctx, domain, probes) {
		return skipped(GroupChat, domain, "the server does not serve it; group chat, if there is any, has another name")
	}
	words := string(first.ID) + " fails for it: "
	if first.Subject != "" {
		words += first.Subject + ": "
	}
	return Result{
		ID: GroupChat, Subject: domain, Mark: Fail, Reason: first.Reason, Words: words + first.Words, Evidence: first.Evidence,
		Fix: first.Fix,
	}
}

// serves asks the first server of the domain that speaks XMPP whether it serves another domain as well.
func (c *Checker) serves(ctx context.Context, domain string, probes []probe) bool {
	i := slices.IndexFunc(probes, func(pr probe) bool { return pr.dial == nil && pr.stream == nil })
	if i < 0 {
		return false
	}
	answer, err := c.hosts(ctx, probes[i].at, domain, share(ctx))
	return err == nil && answer == opened
}
