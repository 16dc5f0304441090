// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"slices"

	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

// Proof is what servers were seen to serve.
type Proof struct {
	// Served are the names of the service records, without trailing dot, that may lead to the servers: each of them answered
	// for the domain, with encryption and a certificate that names it. Sorted.
	Served []string
	// Missing says what is wrong with the first that is not served; empty when all are.
	Missing string
}

// Serves opens streams as partners do, for every domain to every address of t.Through, without a look at the DNS: it proves the
// servers before any record leads to them. Port and DirectPort are those of the servers. What could not be tried is not served.
//
// The context's deadline is for the whole of it, as with Inbound.
func (c *Checker) Serves(ctx context.Context, t InboundTarget) Proof {
	if len(t.Domains) == 0 || len(t.Through) == 0 {
		return Proof{Missing: "there is no server to ask"}
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	trials := c.tryAll(ctx, t, share(ctx))
	if ctx.Err() != nil {
		return Proof{Missing: interrupted}
	}
	var proof Proof
	for _, e := range t.entries() {
		missing := t.missing(e, trials, c)
		switch {
		case missing == "":
			proof.Served = append(proof.Served, e.prefix+e.domain)
		case proof.Missing == "":
			proof.Missing = phrase.Message(missing)
		}
	}
	slices.Sort(proof.Served)
	return proof
}

// missing says why one of the entries is not served; empty when every address serves it.
func (t InboundTarget) missing(e entry, trials []trial, c *Checker) string {
	for _, tr := range trials {
		switch {
		case tr.domain != e.domain || tr.direct != e.direct:
			continue
		case tr.skipped:
			return "it could not be tried, for the server does not answer for another domain"
		}
		if failed, ok := judgeTrial(t, tr, c.Now()); !ok {
			return failed.Words
		}
	}
	return ""
}
