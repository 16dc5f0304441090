// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// A spec that can't be carried out, on account of one name or another, must not harm what was carried out before. So what a Federation
// has published goes on following its address, and what its spec does not want any more is released; but nothing is claimed, the
// server stays as it is, but for a certificate that was renewed for what it serves, and so does the host name.

// keep prepares the scope of a Federation that is not accepted for the steps that keep up what it has published. There may be
// nothing to keep up.
func (r *FederationReconciler) keep(s *scope) {
	status := &s.before.Status
	published := map[string]string{}
	for _, record := range status.Records {
		name := anchorName(record.Name)
		if apex, found := dns.ZoneFor(name, status.Zones); found && record.State != v1alpha1.RecordLeftover {
			published[name] = apex
		}
	}
	host := status.Hostname
	if published[host] == "" { // status names a host at which nothing was published
		host = desired.Hostname(s.fed)
	}
	if published[host] == "" || r.recipient(s.fed) != "" {
		return
	}
	s.fed.Spec.DNS.Hostname = v1alpha1.DomainName(host)
	s.keeping, s.apexes, s.adoptable, s.giving = true, map[string]string{}, nil, nil
	for _, name := range desired.Claims(s.fed) {
		if apex, found := published[name]; found {
			s.apexes[name] = apex
		}
	}
	r.noteFormer(s)
}

// keptKeys returns the keys whose TLSA records were published.
func keptKeys(status *v1alpha1.TLSAStatus) []string {
	if status == nil {
		return nil
	}
	return slices.DeleteFunc([]string{status.ServedKey, status.NextKey}, func(key string) bool { return key == "" })
}

// kept says that nothing else is published of a spec that is not accepted.
func kept(s *scope, after time.Duration) error {
	return outcome.Waiting(v1alpha1.ReasonNotAccepted, after,
		"%d record sets that were published before are kept up to date; nothing new is published before the spec can be carried out, see "+
			"condition %s", len(s.fed.Status.Records)-len(s.withheld), v1alpha1.ConditionAccepted)
}
