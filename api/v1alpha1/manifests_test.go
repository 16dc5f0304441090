// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package v1alpha1_test

import (
	"fmt"
	"strings"
)

// list is a YAML list of n items; format gets the number of each.
func list(n int, format string) string {
	items := make([]string, 0, n)
	for i := range n {
		items = append(items, fmt.Sprintf(format, i))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

const (
	notDNSName      = "must be a lower-case DNS name in A-label form without wildcard, trailing dot or port; write for example"
	notRecordName   = "must be a lower-case DNS name without wildcard or trailing dot; write for example _xmpp-server._tcp.cupdomain.com"
	notOwner        = "must be the status.dnsOwner of another Federation, for example 9f86d081884c7d65900a; copy it from there"
	notServer       = "must be an IP address with a port; write for example 203.0.113.53:53"
	notSecret       = "must be the name of a Secret"
	notDuration     = "must be a duration from 10s to 24h, for example 5m"
	notAddress      = "must be a unicast IP address that others can reach, for example 203.0.113.5"
	notBothFamilies = "must name networks of both IPv4 and IPv6"
	notNetwork      = "must be a network in CIDR form, for example 198.51.100.0/24"
	tooSmallVolume  = "must be at least 100Mi, for example 1Gi"
	operatorsKey    = "keys under xmppfed.io/ are the operator's; use another prefix"
	externalDNSKey  = "keys under external-dns.kubernetes.io/ and external-dns.alpha.kubernetes.io/ have ExternalDNS publish names that no DNSZone allows; remove them"
	ownMachine      = "must not be an address of the operator's own machine, nor of a group of machines; write that of a public resolver"
	ownName         = "must not be a name of the own machine (localhost, localdomain), which nobody else can reach"
)

func badFederations() []badManifest {
	var all []badManifest
	for _, part := range [][]badManifest{badDomains(), badServers(), badResources(), badExposures(), badRecords(), badTLS(), badPeers()} {
		for _, bad := range part {
			bad.kind = "Federation"
			all = append(all, bad)
		}
	}
	return all
}

func badDomains() []badManifest {
	domain := func(name, text string) badManifest {
		return badManifest{name: name, spec: "domains: [" + text + "]", field: "spec.domains[0]", message: notDNSName}
	}
	return []badManifest{
		domain("a domain in capitals", "CupDomain.com"),
		domain("a wildcard domain", `"*.cupdomain.com"`),
		domain("a domain with a trailing dot", "cupdomain.com."),
		domain("a domain with a port", `"cupdomain.com:5269"`),
		domain("a domain of one label", "cupdomain"),
		domain("a domain in U-label form", "bücher.example"),
		domain("a domain with an underscore", "cup_domain.com"),
		domain("a label that starts with a hyphen", "-cup.com"),
		domain("a label of 64 characters", strings.Repeat("c", 64)+".com"),
		domain("a JID in place of a domain", `"cupuser1@cupdomain.com"`),
		domain("a URL in place of a domain", `"https://cupdomain.com"`),
		{name: "an IP address in place of a domain", spec: `domains: ["203.0.113.5"]`, field: "spec.domains[0]",
			message: "must be a DNS name, not an IP address; write the domain that JIDs carry after the @"},
		{name: "a domain whose last label is a number", spec: `domains: ["cup.example.999"]`, field: "spec.domains[0]",
			message: "must be a DNS name, not an IP address"},
		{name: "a domain that ends in a hexadecimal number", spec: `domains: ["203.0.113.0x5"]`, field: "spec.domains[0]",
			message: "must be a DNS name, not an IP address"},
		{name: "a domain of the own machine", spec: "domains: [cup.localhost]", field: "spec.domains[0]", message: ownName},
		{name: "a domain that hosts files give the own machine", spec: "domains: [localhost.localdomain]", field: "spec.domains[0]",
			message: ownName},
		{name: "a domain of 171 characters", spec: "domains: [" + strings.Repeat("cup.", 42) + "com]", field: "spec.domains[0]",
			message: "may not be more than 170 bytes"},
		{name: "an empty domain", spec: `domains: [""]`, field: "spec.domains[0]", message: "should be at least 3 chars long"},
		{name: "no domain", spec: "domains: []", field: "spec.domains", message: "should have at least 1 items"},
		{name: "domains left out", spec: "domains: null", field: "spec.domains", message: "Required value"},
		{name: "65 domains", spec: "domains: " + list(65, "d%d.com"), field: "spec.domains", message: "must have at most 64 items"},
		{name: "the same domain twice", spec: "domains: [cupdomain.com, cupdomain.com]", field: "spec.domains[1]",
			message: "Duplicate value"},
		{name: "a domain that is the group chat of another", field: "spec.domains",
			spec:    "{domains: [cupdomain.com, conference.cupdomain.com], server: {groupChat: {}}}",
			message: "must not list a domain that spec.server.groupChat makes of another"},
	}
}

func badServers() []badManifest {
	server := func(name, member, field, message string) badManifest {
		return badManifest{name: name, spec: "server: {" + member + "}", field: "spec.server." + field, message: message}
	}
	return []badManifest{
		server("an unknown engine", "engine: Openfire", "engine", `supported values: "Prosody"`),
		server("two replicas of Prosody", "replicas: 2", "replicas", "spec.server.replicas must be 1 for engine Prosody"),
		server("no replica", "replicas: 0", "replicas", "should be greater than or equal to 1"),
		server("17 replicas", "replicas: 17", "replicas", "should be less than or equal to 16"),
		server("an image with a space", `image: "prosody 13"`, "image", "must be a container image reference, for example"),
		server("an image of 513 characters", "image: "+strings.Repeat("p", 513), "image", "may not be more than 512 bytes"),
		server("a group chat of two labels", "groupChat: {subdomain: a.b}", "groupChat.subdomain", "must be one lower-case DNS label"),
		server("a group chat in capitals", "groupChat: {subdomain: Rooms}", "groupChat.subdomain", "for example conference"),
		server("rooms for an audience that does not exist", "groupChat: {access: Contacts}", "groupChat.access", "Unsupported value"),
		server("accounts for an audience that does not exist", "accounts: {secretRef: {name: a}, visibility: Members}", "accounts.visibility",
			"Unsupported value"),
		server("a group chat of 64 characters", "groupChat: {subdomain: "+strings.Repeat("c", 64)+"}", "groupChat.subdomain",
			"may not be more than 63 bytes"),
		server("accounts of no Secret", "accounts: {}", "accounts.secretRef", "Required value"),
		server("accounts of a Secret without name", "accounts: {secretRef: {}}", "accounts.secretRef.name", "Required value"),
		server("accounts of a Secret in capitals", "accounts: {secretRef: {name: Cup}}", "accounts.secretRef.name", notSecret),
		server("a volume of no size", `storage: {size: "0"}`, "storage.size", tooSmallVolume),
		server("a volume of negative size", `storage: {size: "-1Gi"}`, "storage.size", tooSmallVolume),
		server("a volume of one byte", "storage: {size: 1}", "storage.size", tooSmallVolume),
		server("a volume of thousandths of bytes", "storage: {size: 500m}", "storage.size", tooSmallVolume),
		server("a volume size that is no quantity", "storage: {size: much}", "storage.size", "should match"),
		server("a limit that is no quantity", `podTemplate: {resources: {limits: {cpu: "1e1.5"}}}`, "podTemplate.resources.limits",
			"must be quantities, for example cpu: 500m or memory: 512Mi"),
		server("a request that is no quantity", `podTemplate: {resources: {requests: {memory: "1e99999999999999999999"}}}`,
			"podTemplate.resources.requests", "must be quantities, for example cpu: 100m or memory: 256Mi"),
		server("a storage class in capitals", "storage: {storageClassName: Fast}", "storage.storageClassName",
			"must be the name of a StorageClass"),
		server("a pod label that the operator selects by", "podTemplate: {labels: {xmppfed.io/federation: x}}", "podTemplate.labels",
			"keys under app.kubernetes.io/ and xmppfed.io/ are the operator's; use another prefix"),
		server("a pod label of the recommended ones", "podTemplate: {labels: {app.kubernetes.io/name: x}}", "podTemplate.labels",
			"keys under app.kubernetes.io/ and xmppfed.io/ are the operator's; use another prefix"),
		server("a pod annotation of the operator's", "podTemplate: {annotations: {xmppfed.io/generation: x}}",
			"podTemplate.annotations", operatorsKey),
		server("a host name for ExternalDNS at the pods",
			"podTemplate: {annotations: {external-dns.kubernetes.io/hostname: www.other.example}}", "podTemplate.annotations", externalDNSKey),
		server("a host name for an older ExternalDNS at the pods",
			"podTemplate: {annotations: {external-dns.alpha.kubernetes.io/internal-hostname: www.other.example}}",
			"podTemplate.annotations", externalDNSKey),
		server("a pod label with a space", "podTemplate: {labels: {my team: x}}", "podTemplate.labels", "keys must be those of labels"),
		server("a pod annotation with two slashes", "podTemplate: {annotations: {a/b/c: x}}", "podTemplate.annotations",
			"keys must be those of annotations"),
		{name: "a field that does not exist", spec: "server: {vhosts: [a]}", field: "spec.server.vhosts", message: "unknown field"},
	}
}

func badExposures() []badManifest {
	exposure := func(name, member, field, message string) badManifest {
		return badManifest{name: name, spec: "exposure: {" + member + "}", field: "spec.exposure." + field, message: message}
	}
	return []badManifest{
		exposure("port 0", "port: 0", "port", "should be greater than or equal to 1"),
		exposure("port 65536", "port: 65536", "port", "should be less than or equal to 65535"),
		exposure("direct TLS at port 0", "directTLS: {port: 0}", "directTLS.port", "should be greater than or equal to 1"),
		exposure("direct TLS at the port for STARTTLS", "directTLS: {port: 5269}", "directTLS.port",
			"must differ from spec.exposure.port, because one port can't both begin with TLS and offer STARTTLS"),
		exposure("direct TLS's own port for STARTTLS", "port: 5270, directTLS: {}", "directTLS.port",
			"must differ from spec.exposure.port"),
		exposure("clients at port 65536", "clients: {port: 65536}", "clients.port", "should be less than or equal to 65535"),
		exposure("clients at the port for servers", "clients: {port: 5269}", "clients.port",
			"must differ from the ports for servers"),
		exposure("clients at the port of direct TLS for servers", "directTLS: {}, clients: {port: 5270}", "clients.port",
			"must differ from the ports for servers"),
		exposure("clients' direct TLS at port 0", "clients: {directTLS: {port: 0}}", "clients.directTLS.port",
			"should be greater than or equal to 1"),
		exposure("clients' direct TLS at their port for STARTTLS", "clients: {directTLS: {port: 5222}}", "clients.directTLS.port",
			"must differ from every other port of spec.exposure"),
		exposure("clients' direct TLS at the port for servers", "clients: {directTLS: {port: 5269}}", "clients.directTLS.port",
			"must differ from every other port of spec.exposure"),
		exposure("clients' direct TLS at that for servers", "directTLS: {}, clients: {directTLS: {port: 5270}}",
			"clients.directTLS.port", "must differ from every other port of spec.exposure"),
		exposure("a load balancer class with a space", `loadBalancer: {class: "my nlb"}`, "loadBalancer.class",
			"must be a load balancer class, for example service.k8s.aws/nlb"),
		exposure("a Service annotation of the operator's", "loadBalancer: {annotations: {xmppfed.io/a: b}}",
			"loadBalancer.annotations", operatorsKey),
		exposure("a host name for ExternalDNS at the Service",
			"loadBalancer: {annotations: {external-dns.kubernetes.io/hostname: www.other.example}}", "loadBalancer.annotations", externalDNSKey),
		exposure("a host name for an older ExternalDNS at the Service",
			"loadBalancer: {annotations: {external-dns.alpha.kubernetes.io/hostname: www.other.example}}", "loadBalancer.annotations",
			externalDNSKey),
		exposure("a Service annotation with a line feed", `loadBalancer: {annotations: {"a\nb": c}}`, "loadBalancer.annotations",
			"keys must be those of annotations"),
		exposure("a source range without prefix length", "loadBalancer: {sourceRanges: [198.51.100.0]}",
			"loadBalancer.sourceRanges[0]", notNetwork),
		exposure("a source range with a prefix length beyond that of addresses", "loadBalancer: {sourceRanges: [10.0.0.0/33]}",
			"loadBalancer.sourceRanges[0]", notNetwork),
		exposure("a host name as source range", "loadBalancer: {sourceRanges: [gmail.com/24]}",
			"loadBalancer.sourceRanges[0]", notNetwork),
		exposure("129 source ranges", "loadBalancer: {sourceRanges: "+list(129, `"10.0.%d.0/24"`)+"}",
			"loadBalancer.sourceRanges", "must have at most 128 items"),
		exposure("a wrong external traffic policy", "loadBalancer: {externalTrafficPolicy: Near}",
			"loadBalancer.externalTrafficPolicy", `supported values: "Cluster", "Local"`),
		exposure("a wrong IP family policy", "loadBalancer: {ipFamilyPolicy: DualStack}",
			"loadBalancer.ipFamilyPolicy", `supported values: "SingleStack", "PreferDualStack", "RequireDualStack"`),
		exposure("dual stack with source ranges of IPv4 alone",
			"loadBalancer: {ipFamilyPolicy: PreferDualStack, sourceRanges: [198.51.100.0/24]}", "loadBalancer.sourceRanges", notBothFamilies),
		exposure("dual stack with source ranges of IPv6 alone",
			`loadBalancer: {ipFamilyPolicy: RequireDualStack, sourceRanges: ["2001:db8::/32"]}`, "loadBalancer.sourceRanges", notBothFamilies),
		exposure("a host name as public address", "publicAddresses: [cup1.cupdomain.com]", "publicAddresses[0]", notAddress),
		exposure("a public address with a port", `publicAddresses: ["203.0.113.5:5269"]`, "publicAddresses[0]", notAddress),
		exposure("a loopback address as public address", `publicAddresses: ["127.0.0.1"]`, "publicAddresses[0]", notAddress),
		exposure("a public address that is none", `publicAddresses: ["203.0.113.999"]`, "publicAddresses[0]", notAddress),
		exposure("an address of this network as public address", `publicAddresses: ["0.1.2.3"]`, "publicAddresses[0]", notAddress),
		exposure("a group of machines as public address", `publicAddresses: ["ff02::1"]`, "publicAddresses[0]", notAddress),
		exposure("the same public address twice", "publicAddresses: [203.0.113.5, 203.0.113.5]", "publicAddresses[1]",
			"Duplicate value"),
		exposure("17 public addresses", "publicAddresses: "+list(17, `"203.0.113.%d"`), "publicAddresses", "must have at most 16 items"),
	}
}

func badRecords() []badManifest {
	dns := func(name, member, field, message string) badManifest {
		return badManifest{name: name, spec: "dns: {" + member + "}", field: "spec.dns." + field, message: message}
	}
	return []badManifest{
		dns("a wildcard as host name", `hostname: "*.cupdomain.com"`, "hostname", notDNSName),
		dns("an address as host name", `hostname: "203.0.113.5"`, "hostname", "must be a DNS name, not an IP address"),
		dns("what looks like an address as host name", `hostname: "203.0.113.999"`, "hostname", "must be a DNS name, not an IP address"),
		dns("a host name of the own machine", "hostname: xmpp.localhost", "hostname", ownName),
		dns("an address to take over", `takeover: [{name: "203.0.113.5", type: A}]`, "takeover[0].name", "must be a DNS name, not an IP address"),
		dns("a boolean for TLSA", "tlsa: true", "tlsa", "must be of type string"),
		dns("another word for TLSA", `tlsa: "On"`, "tlsa", `supported values: "Enabled", "Disabled"`),
		dns("a TTL of 0", "ttl: 0", "ttl", "should be greater than or equal to 1"),
		dns("a TTL of more than a day", "ttl: 86401", "ttl", "should be less than or equal to 86400"),
		dns("a negative priority", "priority: -1", "priority", "should be greater than or equal to 0"),
		dns("a priority beyond 16 bits", "priority: 65536", "priority", "should be less than or equal to 65535"),
		dns("a negative weight", "weight: -1", "weight", "should be greater than or equal to 0"),
		dns("a weight beyond 16 bits", "weight: 65536", "weight", "should be less than or equal to 65535"),
		dns("a wildcard to take over", `takeover: [{name: "*.cupdomain.com", type: A}]`, "takeover[0].name", notRecordName),
		dns("a record to take over with a trailing dot", "takeover: [{name: cup1.cupdomain.com., type: A}]", "takeover[0].name",
			notRecordName),
		dns("a record to take over in capitals", "takeover: [{name: Cup1.cupdomain.com, type: A}]", "takeover[0].name", notRecordName),
		dns("a record to take over without type", "takeover: [{name: cup1.cupdomain.com}]", "takeover[0].type", "Required value"),
		dns("a text record to take over", "takeover: [{name: cup1.cupdomain.com, type: TXT}]", "takeover[0].type",
			`supported values: "SRV", "A", "AAAA"`),
		dns("257 records to take over", "takeover: "+list(257, "{name: a%d.cupdomain.com, type: A}"), "takeover",
			"must have at most 256 items"),
		dns("a shared domain without host name", "shared: true", "hostname", "must be set with spec.dns.shared"),
		dns("a domain that is shared as host name", "shared: true, hostname: cupdomain.com", "hostname", "must not be a domain that is shared"),
		dns("a transfer of what is shared", "shared: true, hostname: cup1.cupdomain.com, transferTo: 9f86d081884c7d65900a", "transferTo",
			"excludes spec.dns.shared"),
		dns("an owner to transfer to that is too short", "transferTo: cup", "transferTo", notOwner),
		dns("a Federation as owner to transfer to", "transferTo: chat/federation", "transferTo", notOwner),
		dns("an owner to transfer to that is too long", "transferTo: "+strings.Repeat("a", 41), "transferTo", "may not be more than 40 bytes"),
		dns("a wrong publication policy", "publicationPolicy: Later", "publicationPolicy", `supported values: "WhenServing", "Immediate"`),
		dns("a wait for caches that is no duration", "maxCacheWait: short", "maxCacheWait", "must be a duration of at most 24h"),
		dns("a wait for caches of two days", "maxCacheWait: 48h", "maxCacheWait", "must be a duration of at most 24h"),
		dns("a wrong deletion policy", "deletionPolicy: Keep", "deletionPolicy", `supported values: "Delete", "Retain"`),
	}
}

func badTLS() []badManifest {
	resolver := func(name, address string) badManifest {
		return badManifest{
			name: "a resolver at " + name, spec: `verification: {resolvers: ["203.0.113.53:53", "` + address + `"]}`,
			field: "spec.verification.resolvers[1]", message: ownMachine,
		}
	}
	return []badManifest{
		resolver("the loopback address", "127.0.0.1:53"),
		resolver("another loopback address", "127.8.9.10:8081"),
		resolver("the loopback address of IPv6", "[::1]:53"),
		resolver("the loopback address of IPv6 with a zero", "[0::1]:8081"),
		resolver("the loopback address of IPv6 in full", "[0:0:0:0:0:0:0:1]:53"),
		resolver("no address in particular", "0.0.0.0:53"),
		resolver("an address of this network", "0.1.2.3:53"),
		resolver("no address in particular of IPv6", "[::]:53"),
		resolver("no address in particular of IPv6 in full", "[0:0:0:0:0:0:0:0]:53"),
		resolver("a link-local address", "169.254.169.254:80"),
		resolver("an address of a group of machines", "224.0.0.251:53"),
		resolver("an address of a group of machines of IPv6", "[ff02::fb]:53"),
		resolver("the address of everybody", "255.255.255.255:53"),
		resolver("a link-local address of IPv6", "[fe80::1]:53"),
		resolver("a link-local address of IPv6 at the other end of the range", "[febf:0::1]:53"),
		{name: "a certificate of a Secret without name", spec: `tls: {secretRef: {name: ""}}`, field: "spec.tls.secretRef.name",
			message: "should be at least 1 chars long"},
		{name: "a certificate of a Secret with a path", spec: "tls: {secretRef: {name: chat/cup-tls}}",
			field: "spec.tls.secretRef.name", message: notSecret},
		{name: "trusted CAs of a ConfigMap without name", spec: "tls: {trustedCAs: [{configMapRef: {}}]}",
			field: "spec.tls.trustedCAs[0].configMapRef.name", message: "Required value"},
		{name: "trusted CAs under a key with a slash", spec: "tls: {trustedCAs: [{configMapRef: {name: roots, key: a/b}}]}",
			field: "spec.tls.trustedCAs[0].configMapRef.key", message: "must be a key of a ConfigMap"},
		{name: "a check every second", spec: "verification: {interval: 1s}", field: "spec.verification.interval", message: notDuration},
		{name: "a check less than once a day", spec: "verification: {interval: 25h}", field: "spec.verification.interval",
			message: notDuration},
		{name: "an interval that is no duration", spec: "verification: {interval: often}", field: "spec.verification.interval",
			message: notDuration},
		{name: "a resolver without port", spec: "verification: {resolvers: [203.0.113.53]}", field: "spec.verification.resolvers[0]",
			message: notServer},
		{name: "a resolver with a host name", spec: `verification: {resolvers: ["ns1.cupdomain.com:53"]}`,
			field: "spec.verification.resolvers[0]", message: notServer},
		{name: "a resolver with port 70000", spec: `verification: {resolvers: ["203.0.113.53:70000"]}`,
			field: "spec.verification.resolvers[0]", message: notServer},
		{name: "an IPv6 resolver without brackets", spec: `verification: {resolvers: ["2001:db8::53:53"]}`,
			field: "spec.verification.resolvers[0]", message: notServer},
	}
}
