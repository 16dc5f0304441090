// SPDX-License-Identifier: Apache-2.0

package example

import (
	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
)

// Examined are the results of doctor for the Federation of the example, on a day when a firewall keeps everybody out.
func Examined() []check.Result {
	const at = "203.0.113.128:5269"
	domain := []check.Result{
		{ID: check.ServiceRecord, Mark: check.Pass, Words: "the service record is 0 0 5269 cup1.cupdomain.com."},
		{
			ID: check.SameEverywhere, Subject: "ns2.cupdomain.com (203.0.113.54)", Mark: check.Fail, Reason: v1alpha1.ReasonSRVMismatch,
			Words: "it answers nothing for the addresses of cup1.cupdomain.com, where 203.0.113.128 would be right (as " +
				"ns1.cupdomain.com (203.0.113.53) does)",
			Fix:      "Have that name server take over the zone as it is now: check NOTIFY and zone transfer",
			Evidence: []string{"serial number 41: ns2.cupdomain.com (203.0.113.54)", "serial number 42: ns1.cupdomain.com (203.0.113.53)"},
		},
		{ID: check.TargetResolves, Mark: check.Pass, Words: "cup1.cupdomain.com has addresses and is no alias"},
		{ID: check.PublicAddress, Mark: check.Pass, Words: "cup1.cupdomain.com leads to 203.0.113.128, the Federation's public address"},
		{ID: check.ServicePort, Mark: check.Pass, Words: "the service record names port 5269, as spec.exposure.port does"},
		{ID: check.DirectTLS, Mark: check.Skip, Words: "the domain publishes none"},
		{ID: check.GroupChat, Subject: "conference.cupdomain.com", Mark: check.Skip, Words: "because D12 failed", Because: check.TCP},
		{
			ID: check.TCP, Subject: at, Mark: check.Fail, Reason: v1alpha1.ReasonConnectionTimeout, Words: "TCP connections get no answer",
			Fix: "Check the firewalls on the way, spec.exposure.loadBalancer.sourceRanges, and that the load balancer has this address",
		},
	}
	for _, id := range []check.ID{check.StreamOpens, check.EncryptionKept, check.Handshake, check.Certificate} {
		domain = append(domain, check.Result{ID: id, Subject: at, Mark: check.Skip, Words: "because D12 failed", Because: check.TCP})
	}
	inside := []check.Result{
		{ID: check.LoadBalancer, Mark: check.Pass, Words: "it has the address 203.0.113.128, and 1 pod ready behind it"},
		{ID: check.ServerAnswers, Subject: "cup-0", Mark: check.Pass, Words: "the server answers in its pod"},
		{
			ID: check.Sessions, Mark: check.Pass, Words: "1 stream with watched partners, each as its policy demands",
			Evidence: []string{"outgoing gmail.com: TLSv1.3, EXTERNAL"},
		},
		{ID: check.Clock, Subject: "API server", Mark: check.Pass, Words: "its clock and the one here agree to a minute"},
		{ID: check.Drift, Mark: check.Pass, Words: "every pod has the configuration, the secrets and the certificate that it was given"},
	}
	partner := []check.Result{
		{ID: check.PartnerRecords, Mark: check.Pass, Words: "the service record is 0 0 5269 xmpp.gmail.com."},
		{ID: check.PartnerTCP, Subject: "203.0.113.20:5269", Mark: check.Pass, Words: "TCP connections are accepted"},
		{
			ID: check.Expiry, Subject: "203.0.113.20:5269", Mark: check.Warn, Words: "the certificate ends on 2026-12-01, in 8 days",
			Fix: "Ask the administrator of gmail.com to renew the certificate now, and see why that has not happened by itself",
		},
	}
	for i := range domain {
		domain[i].Domain, domain[i].From = "cupdomain.com", check.Here
	}
	for i := range inside {
		inside[i].Domain, inside[i].From = "cupdomain.com", check.Cluster
	}
	for i := range partner {
		partner[i].Domain, partner[i].From = "gmail.com", check.Here
	}
	return append(append(domain, inside...), partner...)
}
