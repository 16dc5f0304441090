// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"cmp"
	"maps"
	"slices"
)

// Service records and the host that they lead to wait for each other: records that lead to a name without address lead nowhere, and
// an address that nothing leads to is of no use.

// awaitHosts keeps service records from being changed to lead to a host that this owner wants to have an address, and that has
// none and does not get one now.
func (b *builder) awaitHosts(full wanted) {
	if b.owner.TransferTo != "" {
		return // nothing is written but ownership records
	}
	for _, a := range b.active {
		for _, k := range b.want.keys[a] {
			if why := b.missingHost(a, k, full); why != nil && !b.still[k] {
				b.refuse(a, k, why)
			}
		}
	}
}

// missingHost returns why a record set that is to be written has to wait for its host.
func (b *builder) missingHost(anchor string, k Key, full wanted) *Error {
	set := b.want.sets[k]
	if slices.Contains(b.guards[anchor].lists(), k) && b.read[k].SameData(set) {
		return nil
	}
	for _, target := range targets(set) {
		host, why := b.withoutAddress(target, full)
		switch {
		case why == deferral:
			return deferral
		case why != nil:
			return waitsError(anchor, host, why)
		}
	}
	return nil
}

// withoutAddress returns the anchor of a name that is wanted to have an address and has none, and why it does not get one. The
// error is nil if it does, or if nobody wants it to.
func (b *builder) withoutAddress(name string, full wanted) (anchor string, why *Error) {
	if why := cmp.Or(full.refused[name], full.noHost[name]); why != nil {
		return name, why
	}
	for _, t := range []uint16{TypeA, TypeAAAA} {
		k := Key{Name: name, Type: t}
		if _, isWanted := full.sets[k]; !isWanted {
			continue
		}
		anchor = full.anchorOf(k)
		refused, left := b.plan.refused[anchor]
		_, comes := b.want.sets[k]
		switch {
		case comes || slices.Contains(b.guards[anchor].lists(), k):
			return "", nil
		case left:
			why = refused
		case slices.Contains(b.plan.deferred, anchor):
			why = deferral
		}
	}
	return anchor, why
}

// awaitServices keeps hosts from being claimed to which only service records lead that are refused.
func (b *builder) awaitServices(full wanted) {
	for _, host := range b.active {
		if !full.forServices[host] || b.guards[host].standing == standingOurs || b.owner.TransferTo != "" {
			continue
		}
		leading := slices.DeleteFunc(slices.Clone(full.anchors), func(a string) bool { return !full.leads(a, host) })
		refused := maps.Clone(b.plan.refused)
		maps.DeleteFunc(refused, func(a string, _ *Error) bool { return !slices.Contains(leading, a) })
		if len(leading) > 0 && len(refused) == len(leading) {
			first := InOrder(refused)[0]
			b.found.anchors[host] = unusedError(host, first, refused[first])
		}
	}
}

// leads reports whether a service record of an anchor leads to a host.
func (w wanted) leads(anchor, host string) bool {
	return slices.ContainsFunc(w.keys[anchor], func(k Key) bool { return slices.Contains(targets(w.sets[k]), host) })
}

// targets are the hosts that service records lead to.
func targets(sets ...RRset) []string {
	var hosts []string
	for _, set := range sets {
		for _, d := range set.Data {
			if service, is := d.(SRV); is {
				hosts = append(hosts, service.Target)
			}
		}
	}
	return hosts
}
