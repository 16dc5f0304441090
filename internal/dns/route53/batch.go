// SPDX-License-Identifier: Apache-2.0

package route53

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// Limits of a batch and of a text record
// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html#limits-api-requests-changeresourcerecordsets).
const (
	maxRecords    = 1000
	maxCharacters = 32000
	maxText       = 4000
)

// batch of actions that fail unless the zone is as it was read; see the head of the package.
func batch(change dns.Change, found listing) []types.Change {
	var touched []dns.Key
	touch := func(k dns.Key) {
		if !slices.Contains(touched, k) {
			touched = append(touched, k)
		}
	}
	for _, k := range change.Drop {
		touch(k)
	}
	for _, set := range change.Put {
		touch(set.Key())
	}
	written := len(touched)
	for _, set := range change.Equal {
		touch(set.Key())
	}
	var deletes, creates []types.Change
	for i, k := range touched {
		for _, raw := range found[k] {
			deletes = append(deletes, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &raw})
			if i >= written {
				creates = append(creates, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: &raw})
			}
		}
	}
	for _, set := range change.Put {
		creates = append(creates, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: new(toRoute53(set))})
	}
	return append(deletes, creates...)
}

// tooLarge reports whether changes exceed a limit.
func tooLarge(changes []types.Change) bool {
	records, characters := 0, 0
	for _, c := range changes {
		for _, r := range c.ResourceRecordSet.ResourceRecords {
			length := len(aws.ToString(r.Value))
			if c.ResourceRecordSet.Type == types.RRTypeTxt && length > maxText {
				return true
			}
			records++
			characters += length
		}
	}
	return records > maxRecords || characters > maxCharacters
}
