// SPDX-License-Identifier: Apache-2.0

// Package route53 writes to a public hosted zone of Amazon Route 53.
//
// A change is one change batch, of which Route 53 makes all or nothing
// (https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html). Its actions fail unless the
// zone is as they assume: CREATE if the record set exists, DELETE unless it has exactly the values and the TTL that are
// given. So prerequisites become actions, and the batch is a compare-and-swap:
//
//	absent, and written       CREATE
//	as it was read, written   DELETE as read, CREATE
//	as it was read, kept      DELETE as read, CREATE as read
//	no alias where written    nothing: Route 53 refuses a record set beside a CNAME
//	absent, and not written   looked at before the batch is sent; package dns asks this only of aliases
//
// Record sets are read right before, because a DELETE needs the TTL, which a prerequisite does not say.
package route53
