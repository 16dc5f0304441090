// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"github.com/xmppfed/xmppfed/hack/e2e/faults"
	"github.com/xmppfed/xmppfed/internal/check"
)

// partnerFaults are of the other side: doctor has to say so.
func partnerFaults() []oneFault {
	switched := func(name, partner, domain string, want check.ID, switches ...string) oneFault {
		return oneFault{
			name: domain + " " + name, inject: faults.Switch(partner, switches...), want: want, side: domain,
			args: []string{"--peer", domain}, target: faults.Target{Domain: domain},
		}
	}
	onWire := func(f oneFault) oneFault {
		f.tls = true
		return f
	}
	gmail := func(name string, want check.ID, switches ...string) oneFault {
		return switched(name, "gmail", "gmail.com", want, switches...)
	}
	records := func(name string, want check.ID, key string, data ...string) oneFault {
		f := gmail(name, want)
		f.inject = faults.All(set(key, data...), faults.Switch("gmail")) // restarted, so that no stream stands
		return f
	}
	const service, host = "_xmpp-server._tcp.gmail.com SRV", "xmpp.gmail.com"
	return []oneFault{
		gmail("hosts our domain", check.HostedThere, "hosts-us", examinedDomain),
		switched("hosts our domain, silently", "ejabberd", "ejabberd.example", check.HostedThere, "hosts-us", examinedDomain),
		switched("hosts our domain", "googletalk", "talk.example", check.HostedThere, "hosts-us", examinedDomain),
		gmail("refuses us", check.Policy, "refuses-us", examinedDomain),
		switched("refuses us", "ejabberd", "ejabberd.example", check.Policy, "refuses-us", examinedDomain),
		switched("refuses our dialback", "googletalk", "talk.example", check.Policy, "refuses-us", examinedDomain),
		gmail("does not trust our CA", check.External, "rejects-our-certificate"),
		onWire(gmail("certificate expired", check.Certificate, "expired-certificate")),
		onWire(gmail("certificate self-signed", check.Certificate, "self-signed-certificate")),
		onWire(gmail("certificate of another name", check.Certificate, "wrong-name-certificate")),
		onWire(gmail("drops packets", check.PartnerTCP, "drops-packets")),
		onWire(gmail("refuses connections", check.PartnerTCP, "refuses-connections")),
		onWire(switched("offers no TLS", "sametime", "sametime.example", check.EncryptionKept, "no-tls")),
		switched("requires TLS, listed without", "googletalk", "talk.example", check.EncryptionKept, "requires-tls"),
		records("SRV missing", check.PartnerRecords, service),
		onWire(records("SRV names a closed port", check.PartnerTCP, service, "0 0 5299 "+host+".")),
		onWire(records("DNS leads to another server", check.StreamOpens, host+" A", "203.0.113.24")),
	}
}
