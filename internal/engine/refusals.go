// SPDX-License-Identifier: Apache-2.0

package engine

import "maps"

// Names of bounds that mean something to the operator. The first two are among those of LiveLimits.Refused; the others name what servers
// count in fields of their own.
const (
	// BoundMemory is the part of the memory limit above which nothing more is begun.
	BoundMemory = "memory"
	// BoundVolume is the part of the data volume that messages for users who are away may fill.
	BoundVolume = "full volume"
	// BoundRequests is how many requests for presence may wait for a user's answer.
	BoundRequests = "subscription requests"
	// BoundLogins is how many attempts to log in may fail.
	BoundLogins = "logins"
	// BoundRate is how much is read in a second from a stream of a domain that is not listed. What is beyond it is delayed.
	BoundRate = "rate of unlisted domains"
)

// Refusals returns how often the server has refused something since it started, by bound. Of [BoundRate] it is for how many seconds
// something was delayed.
func (s *LiveStatus) Refusals() map[string]int64 {
	all := map[string]int64{}
	maps.Copy(all, s.Limits.Refused)
	for bound, count := range map[string]int64{
		BoundRequests: s.RequestsRefused, BoundLogins: s.Logins.Refused, BoundRate: s.Limits.Delayed[""],
	} {
		if count > 0 {
			all[bound] = count
		}
	}
	return all
}

// Delays returns for how many seconds each listed peer was delayed since the server started.
func (s *LiveStatus) Delays() map[string]int64 {
	listed := maps.Clone(s.Limits.Delayed)
	delete(listed, "")
	return listed
}
