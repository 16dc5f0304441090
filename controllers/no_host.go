// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// Service records in one zone lead to a host in another. Where that host could not get an address, be it that its name is somebody
// else's or that its zone can't be written to, they are left as they are: those that stand go on leading to the host before.

// noHost returns why the host has no address of this Federation, given what became of its zone; nil if it has one.
func (s *scope) noHost(report zoneReport, err error) *dns.Error {
	host := desired.Hostname(s.fed)
	why := report.refused[dns.Canonical(host)]
	switch {
	case slices.Contains(report.kept, dns.Canonical(host)):
		return nil
	case why != nil:
		return why
	case err == nil || publishedAddress(&s.before.Status, host):
		return nil
	}
	failed := failure(err)
	if failed.Reason == v1alpha1.ReasonPropagationPending { // it is written, and on its way to the other name servers
		return nil
	}
	return &dns.Error{Reason: failed.Reason, Message: failed.Message}
}

// publishedAddress reports whether every name server has an address of a host, as far as status tells.
func publishedAddress(status *v1alpha1.FederationStatus, host string) bool {
	return slices.ContainsFunc(status.Records, func(record v1alpha1.RecordStatus) bool {
		return record.Name == host && record.State == v1alpha1.RecordPublished && len(parseAddresses(record.Data)) > 0
	})
}

// awaiting has the service records of units wait for their host, if it has no address.
func awaiting(units []dns.Unit, noHost *dns.Error) []dns.Unit {
	all := slices.Clone(units)
	for i := range all {
		all[i].NoHost = noHost
	}
	return all
}
