// SPDX-License-Identifier: Apache-2.0

package check

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Subject is a domain to examine.
type Subject struct {
	// Domain is the XMPP domain.
	Domain string
	// Partner is our domain when Domain is a partner's; empty when Domain is the one that matters.
	Partner string
	// Policy for the partner.
	Policy v1alpha1.PeerPolicy
	// Route is where the partner's server is, as host:port, when that is not left to the DNS.
	Route string
	// Want is what a Federation publishes for the domain; nil when nothing is known of it.
	Want *InboundTarget
	// GroupChat is the group chat domain. Empty: conference.DOMAIN, where it is not known whether there is one.
	GroupChat string
	// Roots are the CAs to trust; nil: those of this machine. OwnCA tells that the certificate is of a CA that the
	// Federation made itself, which strangers don't trust.
	Roots *x509.CertPool
	OwnCA bool
	// DialbackSecret is that of the domain's server; empty when it is not known.
	DialbackSecret string
	// Resolvers are asked, each as ip:port. Empty: those of /etc/resolv.conf.
	Resolvers []string

	// isRooms is set while the group chat domain is examined as if it were the domain.
	isRooms bool
}

// id is the check of the partner's side that does what the given one does on ours.
func (s Subject) id(ours ID) ID {
	if s.Partner == "" {
		return ours
	}
	switch ours {
	case ServiceRecord, SameEverywhere, TargetResolves, Fallback:
		return PartnerRecords
	case TCP:
		return PartnerTCP
	default:
		return ours
	}
}

// afterRecords are the checks that need to know where the domain's servers are.
func (s Subject) afterRecords() []ID {
	if s.Partner != "" {
		return append([]ID{PartnerTCP}, onTheWire...)
	}
	return append([]ID{TCP}, onTheWire...)
}

// onTheWire are the checks on a connection, in the order in which they are made.
var onTheWire = []ID{StreamOpens, EncryptionKept, Handshake, Certificate}

// remedy says who has to do it: what the fix says is an order in lower case, without full stop.
func (s Subject) remedy(order string) string {
	if s.Partner != "" {
		return "Ask the administrator of " + s.Domain + " to " + order
	}
	return strings.ToUpper(order[:1]) + order[1:]
}

// target is what the judgements that doctor shares with the operator are made by.
func (s Subject) target() InboundTarget {
	if s.Want != nil {
		return *s.Want
	}
	return InboundTarget{Domains: []string{s.Domain}}
}

// adapt replaces a fix that speaks of a Federation by one for any server.
func (s Subject) adapt(r Result, tr trial) Result {
	if r.Mark != Fail || s.Want != nil || r.ID == Clock {
		return r
	}
	switch r.Reason {
	case v1alpha1.ReasonConnectionRefused:
		r.Fix = s.remedy("start the server, or have the firewall or load balancer hand this port on to it")
	case v1alpha1.ReasonConnectionTimeout:
		r.Fix = s.remedy("open this port in the firewalls on the way, and check that the address is right")
		if s.Partner != "" {
			r.Fix = "Open the way out to this port in our own firewalls; else a" + r.Fix[1:]
		}
	case v1alpha1.ReasonNotXMPP:
		r.Fix = s.remedy("check that the address and port lead to the XMPP server and to nothing else")
	case v1alpha1.ReasonStreamRefused:
		r.Fix = s.remedy(remediesOf(tr.stream).anybodys)
	case v1alpha1.ReasonTLSNotOffered:
		r.Fix = s.remedy("give the server a certificate for the domain, and switch on encryption between servers")
	case v1alpha1.ReasonTLSFailed:
		r.Fix = s.remedy("check certificate, key and TLS settings of the server; its log says more")
	case v1alpha1.ReasonCertificateExpired, v1alpha1.ReasonCertificateNameMismatch:
		r.Fix = s.remedy("have a certificate issued with the DNS name " + s.Domain + ", and have the server take it up")
	}
	return r
}

// endpoints are the addresses to connect to: those that the Federation should have, else those that the DNS names.
func (s Subject) endpoints(n source, records []SRV) []endpoint {
	var found []endpoint
	add := func(host string, port uint16, addresses []netip.Addr) {
		for _, a := range sortedAddresses(addresses) {
			e := endpoint{host, netip.AddrPortFrom(a, port)}
			if !slices.ContainsFunc(found, func(f endpoint) bool { return f.address == e.address }) {
				found = append(found, e)
			}
		}
	}
	if s.Want != nil {
		add(canonical(s.Want.Hostname), s.Want.Port, s.Want.addressesToTry())
		return found
	}
	for _, r := range records {
		if _, err := netip.ParseAddr(r.Target); err != nil {
			add(r.Target, r.Port, n.hosts[r.Target].IPs)
		}
	}
	return found[:min(len(found), maxTargets)]
}
