// SPDX-License-Identifier: Apache-2.0

// Package cloudflare writes to a zone of Cloudflare
// (https://developers.cloudflare.com/api/resources/dns/subresources/records/).
//
// Cloudflare has single records with identifiers, not record sets. A change is one batch of deletions, replacements and
// additions, of which the API makes all or nothing. What it does not know is conditions: records are listed right before,
// and that a record is still there, or that there is none like it, is all that a batch checks. So ownership is best effort.
package cloudflare
