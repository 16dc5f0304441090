// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"slices"
)

// ID names a check for good: in messages, in documents, in what programs read.
type ID string

// The checks, in the order of a partner's way in, then of our way out.
const (
	ServiceRecord  ID = "D01"
	SameEverywhere ID = "D02"
	TargetResolves ID = "D03"
	PublicAddress  ID = "D04"
	ServicePort    ID = "D05"
	Fallback       ID = "D06"
	DirectTLS      ID = "D07"
	GroupChat      ID = "D08"
	DANE           ID = "D09"
	POSH           ID = "D10"
	LoadBalancer   ID = "D11"
	TCP            ID = "D12"
	ServerAnswers  ID = "D13"
	PartnerRecords ID = "D14"
	PartnerTCP     ID = "D15"
	EgressAddress  ID = "D16"
	StreamOpens    ID = "D17"
	EncryptionKept ID = "D18"
	Handshake      ID = "D19"
	Certificate    ID = "D20"
	AsksForOurs    ID = "D21"
	External       ID = "D22"
	DialbackOffer  ID = "D23"
	DialbackCall   ID = "D24"
	DialbackKey    ID = "D25"
	HostedThere    ID = "D26"
	RefusedAsOwn   ID = "D27"
	HostedAnywhere ID = "D28"
	Policy         ID = "D29"
	RoundTrip      ID = "D30"
	Presence       ID = "D31"
	Sessions       ID = "D32"
	Clock          ID = "D33"
	Drift          ID = "D34"
	IdleTimeout    ID = "D35"
	Capacity       ID = "D36"
	Expiry         ID = "D37"
)

// Vantage is where a check looks from.
type Vantage string

const (
	// Here is the network of whoever runs the checks: the operator's pod, or the machine that doctor runs on.
	Here Vantage = "here"
	// Cluster is the Kubernetes API and the server's own position behind it.
	Cluster Vantage = "cluster"
)

// Check says what a check does. Results carry its ID.
type Check struct {
	ID    ID
	Title string
	// Tries is what is asked or sent, Expects what a healthy answer is.
	Tries, Expects string
	// Vantages from which it can be made; empty when it isn't made at all.
	Vantages []Vantage
	// Unbuilt is why it isn't made, or empty.
	Unbuilt string
}

var (
	here    = []Vantage{Here}
	cluster = []Vantage{Cluster}
	both    = []Vantage{Here, Cluster}
)

// Catalogue lists every check by its ID.
func Catalogue() []Check {
	all := append(inboundChecks(), outboundChecks()...)
	slices.SortFunc(all, func(a, b Check) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Find gives the check with the ID; the zero value for none.
func Find(id ID) Check {
	for _, c := range Catalogue() {
		if c.ID == id {
			return c
		}
	}
	return Check{}
}

// inboundChecks are those of the way in to us.
func inboundChecks() []Check {
	return []Check{
		{ServiceRecord, "service record", "SRV `_xmpp-server._tcp.DOMAIN` at every authoritative name server and resolver",
			"at least one record (RFC 6120 section 3.2.1); with a Federation, exactly the one that it publishes", here, ""},
		{SameEverywhere, "same answers everywhere",
			"every authoritative name server, its serial number, and every resolver: those of --resolver or spec.verification.resolvers, " +
				"else those of this machine; name two or more to see split horizon",
			"all answer, and say the same", here, ""},
		{TargetResolves, "target of the service record", "A and AAAA of the target of each service record",
			"addresses; the target is neither an alias nor an address (RFC 2782)", here, ""},
		{PublicAddress, "public address", "A and AAAA of the host name, against the Federation's public addresses",
			"the same addresses", here, ""},
		{ServicePort, "port", "the port in the service record, against spec.exposure.port", "the same port", here, ""},
		{Fallback, "fallback without service record",
			"without a service record: the domain's own address, port 5269 (RFC 6120 section 3.2.2)",
			"a service record; the fallback is for servers that were forgotten", here, ""},
		{DirectTLS, "direct TLS", "SRV `_xmpps-server._tcp.DOMAIN` (XEP-0368); TLS to its targets, with ALPN `xmpp-server` and without",
			"a stream both ways, with a certificate that names the domain", here, ""},
		{GroupChat, "group chat domain", "D01, D03, D12 and D17 to D20 for the group chat domain",
			"partners reach it as they reach the domain itself", here, ""},
		{DANE, "TLSA and DNSSEC", "TLSA `_PORT._tcp.TARGET` (RFC 7673), and whether the service record is signed",
			"no TLSA record, or one that matches the certificate served and a signed zone", here, ""},
		{POSH, "POSH", "`https://DOMAIN/.well-known/posh/xmpp-server.json` (RFC 7711)",
			"no such file, or one that lists the certificate served", here, ""},
		{LoadBalancer, "load balancer", "the Federation's Service, its address, and the readiness of the pods behind it",
			"an address, and at least one ready pod", cluster, ""},
		{TCP, "TCP connection", "a connection to each public address, IPv4 and IPv6 apart", "it is open within 4 s", here, ""},
		{ServerAnswers, "pod answers", "the pod's own port, without load balancer",
			"it accepts connections and opens a stream", cluster, ""},
		{StreamOpens, "stream", "a stream to the domain (RFC 6120 section 4)", "header and features; not `host-unknown`", both, ""},
		{EncryptionKept, "encryption", "whether STARTTLS is offered, against the policy",
			"it is offered; with tls: Disabled it is not required", both, ""},
		{Handshake, "TLS handshake", "the handshake, with the domain as server name and without one",
			"TLS 1.2 or later, a cipher that is not known to be weak, the same certificate without a server name", both, ""},
		{Certificate, "certificate", "chain, dates, names, key, signature and purposes of the certificate served",
			"it names the XMPP domain, not the host (RFC 6120 section 13.7.1.2, RFC 9525), as engines really compare it", both, ""},
		{DialbackKey, "dialback authority",
			"`db:verify` over TLS with a right key and a wrong one, made from the dialback secret (XEP-0185), at each address and pod",
			"`valid`, and `invalid`", both, ""},
		{Sessions, "live streams", "the streams that the server has with the watched partners, against the policy for each",
			"none that is less than the policy demands", cluster, ""},
		{Clock, "clock", "the API server's clock, and the dates of fresh certificates, against this machine's",
			"less than 60 s apart", both, ""},
		{Drift, "same configuration everywhere", "generation of configuration and Secret, and certificate, in each pod and at its port",
			"those of the Federation, the same in every pod", cluster, ""},
		{ID: IdleTimeout, Title: "idle streams", Tries: "the load balancer's limit for quiet connections",
			Expects: "longer than the server's keepalive",
			Unbuilt: "no API tells the limit of a load balancer or of a partner's firewall, and waiting for it takes up to an hour; " +
				"the server's TCP keepalive and pings keep streams alive"},
		{ID: Capacity, Title: "capacity", Tries: "limits of connections and rates", Expects: "room for more",
			Unbuilt: "filling a server to see when it refuses would harm it; a partner that refuses for load is told by D30 " +
				"(`resource-constraint`)"},
		{Expiry, "expiry forecast", "the end of the certificate served", "at least 21 days away", here, ""},
	}
}

// outboundChecks are those of the way out to a partner.
func outboundChecks() []Check {
	return []Check{
		{PartnerRecords, "partner in the DNS", "SRV, A and AAAA of the partner, from here and from the server's own position",
			"an address of a server from both; where the DNS of the pod leads to another server than that of the world, D15 to D20 " +
				"differ between here and cluster", both, ""},
		{PartnerTCP, "connection to the partner", "a connection to each of the partner's addresses, IPv4 and IPv6 apart",
			"it is open", both, ""},
		{ID: EgressAddress, Title: "address seen outside", Tries: "which of our addresses the partner sees",
			Expects: "the one that its allow list has",
			Unbuilt: "only the partner can say, for XMPP between servers has no question for it; the partner's log shows it when D15 " +
				"passes and D17 does not"},
		{AsksForOurs, "partner wants certificates", "whether the partner's server asks for a certificate, and accepts ours",
			"it does, or dialback is allowed", both, ""},
		{External, "SASL EXTERNAL", "the server proves our domain by certificate (XEP-0178)", "success", cluster, ""},
		{DialbackOffer, "dialback offered", "what the partner offers after TLS (XEP-0220)",
			"dialback, where the policy needs it", both, ""},
		{DialbackCall, "dialback", "the server proves our domain by dialback; the partner has to call back", "`valid`", cluster, ""},
		{HostedThere, "our domain hosted by the partner", "a stream to the partner's server, to our domain", "`host-unknown`", here, ""},
		{RefusedAsOwn, "our domain refused as the partner's own", "the server's own stream to the partner",
			"no `host we serve`, and no dialback turned down without a question to us", cluster, ""},
		{HostedAnywhere, "our domain hosted elsewhere", "D26 for spec.verification.hostedServices", "`host-unknown`", here, ""},
		{Policy, "policies of both sides", "what either side refuses by policy", "nothing", cluster, ""},
		{RoundTrip, "round trip", "a ping (XEP-0199) from our domain to the partner's", "any answer of the partner", cluster, ""},
		{ID: Presence, Title: "contacts and presence", Tries: "subscription, presence and message between two accounts",
			Expects: "all of them both ways",
			Unbuilt: "it takes an account at the partner's; D30 shows that stanzas travel both ways"},
	}
}
