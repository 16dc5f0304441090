// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package v1alpha1_test

import (
	"fmt"
	"strings"
)

func badZones() []badManifest {
	rfc2136 := func(name, servers, tsig, field, message string) badManifest {
		spec := fmt.Sprintf("provider: {rfc2136: {servers: %s, tsig: %s}}", servers, tsig)
		return badManifest{name: name, spec: spec, field: "spec.provider.rfc2136." + field, message: message}
	}
	const servers, key = `["203.0.113.53:53"]`, "{keyName: fed-key, secretRef: {name: fed-tsig, key: secret}}"
	webhook := func(name, member, field, message string) badManifest {
		return badManifest{
			name: name, spec: "provider: {webhook: {" + member + "}}", field: "spec.provider.webhook." + field, message: message,
		}
	}
	route53 := func(name, member, field, message string) badManifest {
		return badManifest{
			name: name, spec: "provider: {route53: {" + member + "}}", field: strings.TrimSuffix("spec.provider.route53."+field, "."),
			message: message,
		}
	}
	cloudflare := func(name, member, field, message string) badManifest {
		return badManifest{name: name, spec: "provider: {cloudflare: " + member + "}", field: "spec.provider.cloudflare." + field, message: message}
	}
	const oneMember = "spec.provider must have exactly one member; set one of rfc2136, dnsEndpoint, route53, cloudflare, webhook and manual, and remove the others"
	selector := func(name, member, field, message string) badManifest {
		return badManifest{
			name: "a selector with " + name, spec: "namespaces: {from: Selector, selector: {" + member + "}}",
			field: "spec.namespaces.selector." + field, message: message,
		}
	}
	const notRequirement = "must be In or NotIn with values, or Exists or DoesNotExist without; add values, or remove them"
	const notLabelValue = "must be the value of a label: letters, digits, '-', '_' and '.', with a letter or digit at both ends"
	const notURL = "must be an http or https address without user, password, query or fragment"
	all := []badManifest{
		{name: "a zone with a trailing dot", spec: "zone: cupdomain.com.", field: "spec.zone", message: notDNSName},
		{name: "a zone of the own machine", spec: "zone: cup.localhost", field: "spec.zone", message: ownName},
		{name: "a top-level zone", spec: "zone: com", field: "spec.zone", message: notDNSName},
		{name: "no provider", spec: "provider: {}", field: "spec.provider",
			message: oneMember},
		{name: "two providers", spec: "provider: {manual: {}, webhook: {url: http://localhost:8888}}", field: "spec.provider",
			message: oneMember},
		{name: "three providers", field: "spec.provider", message: oneMember,
			spec: fmt.Sprintf("provider: {manual: {}, webhook: {url: http://localhost:8888}, rfc2136: {servers: %s, tsig: %s}}", servers, key)},
		{name: "a provider that does not exist", spec: "provider: {bind: {}}", field: "spec.provider", message: "bind"},
		route53("a hosted zone with a path", "hostedZoneID: /hostedzone/Z0123456789ABCDEFGHIJ", "hostedZoneID",
			"must be the ID of a hosted zone as Route 53 shows it, without /hostedzone/"),
		route53("a region that is none", "region: Frankfurt", "region", "must be the name of an AWS region"),
		route53("half an access key", "accessKeyIDSecretRef: {name: aws, key: id}", "",
			"accessKeyIDSecretRef and secretAccessKeySecretRef belong together"),
		route53("an access key in plain view", "accessKeyID: AKIAIOSFODNN7EXAMPLE", "accessKeyID", "unknown field"),
		route53("an endpoint that is no web address", "endpoint: route53.amazonaws.com", "endpoint", "must be an http or https address of a host"),
		route53("an endpoint at an address that is none", `endpoint: "https://203.0.113.999"`, "endpoint", "must be an http or https address of a host"),
		route53("an endpoint with a password", `endpoint: "https://a:b@route53.amazonaws.com"`, "endpoint",
			"must be an http or https address of a host"),
		cloudflare("no API token", "{}", "apiTokenSecretRef", "Required value"),
		cloudflare("an API token in plain view", "{apiToken: abc, apiTokenSecretRef: {name: cloudflare, key: token}}", "apiToken", "unknown field"),
		cloudflare("a zone's name in place of its ID", "{zoneID: cupdomain.com, apiTokenSecretRef: {name: cloudflare, key: token}}", "zoneID",
			"must be the ID of a zone as its overview page at Cloudflare shows it"),
		{name: "two ways through ExternalDNS", spec: "provider: {dnsEndpoint: {}, webhook: {url: http://localhost:8888}}", field: "spec.provider",
			message: oneMember},
		{name: "an unknown form of targets for ExternalDNS", spec: "provider: {dnsEndpoint: {srvTargets: Dots}}",
			field: "spec.provider.dnsEndpoint.srvTargets", message: `supported values: "Dotted", "Bare"`},
		{name: "a namespace for DNSEndpoints", spec: "provider: {dnsEndpoint: {namespace: chat}}", field: "spec.provider.dnsEndpoint",
			message: `namespace`},
		{name: "an option of provider manual", spec: "provider: {manual: {a: b}}", field: "spec.provider.manual", message: `a`},
		webhook("no URL", "srvTargets: Bare", "url", "Required value"),
		webhook("a URL without scheme", "url: localhost:8888", "url", notURL),
		webhook("a URL that is no web address", "url: file:///etc/passwd", "url", notURL),
		webhook("a URL with a password", "url: http://user:password@localhost:8888", "url", notURL),
		webhook("a URL with a query", `url: "http://localhost:8888/?a=b"`, "url", notURL),
		webhook("a URL with a fragment", `url: "http://localhost:8888/#a"`, "url", notURL),
		webhook("a URL with escapes", "url: http://localhost:8888/%2e%2e", "url", notURL),
		webhook("a URL of an address that is none", "url: http://203.0.113.999:8888", "url", notURL),
		webhook("a URL with an impossible port", "url: http://localhost:70000", "url", notURL),
		webhook("an unknown form of targets", "url: http://localhost:8888, srvTargets: Dots", "srvTargets",
			`supported values: "Dotted", "Bare"`),
		{name: "a brake that lets nobody go", spec: "brake: {federations: 0}", field: "spec.brake.federations",
			message: "should be greater than or equal to 1"},
		{name: "a brake that lets too many go to remember them", spec: "brake: {federations: 1001}", field: "spec.brake.federations",
			message: "should be less than or equal to 1000"},
		{name: "a brake that lets more than all go", spec: "brake: {percent: 101}", field: "spec.brake.percent",
			message: "should be less than or equal to 100"},
		{name: "an unknown policy about others' records", spec: "takeover: Always", field: "spec.takeover",
			message: `supported values: "Allow", "Deny"`},
		{name: "provider left out", spec: "provider: null", field: "spec.provider", message: "Required value"},
		rfc2136("no server", "[]", key, "servers", "should have at least 1 items"),
		rfc2136("nine servers", list(9, `"203.0.113.%d:53"`), key, "servers", "must have at most 8 items"),
		rfc2136("a server without port", `["203.0.113.53"]`, key, "servers[0]", notServer),
		rfc2136("a server with a host name", `["ns1.cupdomain.com:53"]`, key, "servers[0]", notServer),
		rfc2136("a server with an impossible address", `["203.0.113.530:53"]`, key, "servers[0]", notServer),
		rfc2136("a key name in capitals", servers, "{keyName: Fed-Key, secretRef: {name: fed-tsig, key: secret}}", "tsig.keyName",
			"must be a lower-case key name as in the DNS server's key statement, for example fed-key"),
		rfc2136("a broken algorithm", servers, "{keyName: fed-key, algorithm: hmac-md5, secretRef: {name: a, key: b}}",
			"tsig.algorithm", `supported values: "hmac-sha256", "hmac-sha384", "hmac-sha512"`),
		rfc2136("a key of no Secret", servers, "{keyName: fed-key}", "tsig.secretRef", "Required value"),
		rfc2136("a Secret in capitals", servers, "{keyName: fed-key, secretRef: {name: Fed, key: b}}", "tsig.secretRef.name", notSecret),
		rfc2136("a Secret without key", servers, "{keyName: fed-key, secretRef: {name: fed-tsig}}", "tsig.secretRef.key",
			"Required value"),
		rfc2136("two keys of one name", servers, key+", previousTSIG: "+key, "previousTSIG.keyName",
			"must differ from tsig.keyName, as servers know keys by name; give the new key another name"),
		rfc2136("a key with a slash", servers, "{keyName: fed-key, secretRef: {name: fed-tsig, key: a/b}}", "tsig.secretRef.key",
			"must be a key of a Secret"),
		{name: "a selector that is not there", spec: "namespaces: {from: Selector}", field: "spec.namespaces",
			message: "spec.namespaces.selector must be set when spec.namespaces.from is Selector, and only then"},
		{name: "a selector beside All", spec: "namespaces: {from: All, selector: {}}", field: "spec.namespaces",
			message: "spec.namespaces.selector must be set when spec.namespaces.from is Selector, and only then"},
		selector("an unknown operator", "matchExpressions: [{key: a, operator: Equals, values: [b]}]", "matchExpressions[0].operator",
			`supported values: "In", "NotIn", "Exists", "DoesNotExist"`),
		selector("no values for In", "matchExpressions: [{key: a, operator: In}]", "matchExpressions[0].operator", notRequirement),
		selector("values for Exists", "matchExpressions: [{key: a, operator: Exists, values: [b]}]", "matchExpressions[0].operator",
			notRequirement),
		selector("a value that has a space", "matchLabels: {team: chat ops}", "matchLabels[team]", notLabelValue),
		selector("a value of 64 characters", "matchLabels: {team: "+strings.Repeat("c", 64)+"}", "matchLabels.team",
			"may not be more than 63 bytes"),
		selector("a key with two slashes", "matchLabels: {a/b/c: chat}", "matchLabels", "keys must be those of labels"),
		selector("no key", "matchExpressions: [{operator: Exists}]", "matchExpressions[0].key", "Required value"),
		selector("an expression's key with two slashes", "matchExpressions: [{key: a/b/c, operator: Exists}]",
			"matchExpressions[0].key", "must be the key of a label"),
		selector("an expression's value with a space", "matchExpressions: [{key: team, operator: NotIn, values: [chat, chat ops]}]",
			"matchExpressions[0].values[1]", notLabelValue),
		selector("17 expressions", "matchExpressions: "+list(17, "{key: a%d, operator: Exists}"), "matchExpressions",
			"must have at most 16 items"),
		selector("65 labels", "matchLabels: {"+strings.Trim(list(65, "a%d: b"), "[]")+"}", "matchLabels", "must have at most 64 items"),
		selector("513 values", "matchExpressions: [{key: team, operator: In, values: "+list(513, "a%d")+"}]",
			"matchExpressions[0].values", "must have at most 512 items"),
		{name: "an unknown way to choose namespaces", spec: "namespaces: {from: Same}", field: "spec.namespaces.from",
			message: `supported values: "All", "Selector"`},
	}
	for i := range all {
		all[i].kind = "DNSZone"
	}
	return all
}

func badUpdates() []badUpdate {
	const loseAddress = "spec.exposure.loadBalancer.class can't be changed, because the public address would be lost"
	const moveData = "spec.server.storage.storageClassName can't be changed; create a new Federation and move the data"
	class := func(name string) string { return "exposure: {loadBalancer: {class: " + name + "}}" }
	storage := func(name string) string { return "server: {storage: {storageClassName: " + name + "}}" }
	return []badUpdate{
		{"Federation", "whose load balancer class changes", class("a"), class("b"), "spec.exposure.loadBalancer.class", loseAddress},
		{"Federation", "that gets a load balancer class", "{}", class("b"), "spec.exposure.loadBalancer.class", loseAddress},
		{"Federation", "that loses its load balancer class", class("a"), "{}", "spec.exposure.loadBalancer.class", loseAddress},
		{"Federation", "whose storage class changes", storage("a"), storage("b"), "spec.server.storage.storageClassName", moveData},
		{"Federation", "that gets a storage class", "{}", storage("b"), "spec.server.storage.storageClassName", moveData},
		{"Federation", "whose volume grows", "{}", "server: {storage: {size: 2Gi}}", "spec.server.storage.size",
			"spec.server.storage.size can't be changed; enlarge the PersistentVolumeClaim itself"},
		{"DNSZone", "whose zone changes", "{}", "zone: example.com", "spec.zone",
			"can't be changed; create another DNSZone and delete this one"},
	}
}

func goodManifests() map[string]struct{ kind, spec string } {
	return map[string]struct{ kind, spec string }{
		"a Federation with nothing but a domain": {"Federation", "{}"},
		"domains with digits, hyphens and A-labels": {"Federation",
			"domains: [3com.com, a-b.example, xn--bcher-kva.example, a.b.c.d.example, 1.2.3.4.in-addr.arpa]"},
		"64 domains with group chat": {"Federation", "{domains: " + list(64, "d%d.com") + ", server: {groupChat: {}}}"},
		"a group chat beside a domain of another name": {"Federation",
			"{domains: [cupdomain.com, rooms.cupdomain.com], server: {groupChat: {subdomain: conference}}}"},
		"the same volume size in another notation": {"Federation", `server: {storage: {size: "1073741824"}}`},
		"addresses of both families":               {"Federation", `exposure: {publicAddresses: [203.0.113.5, "2001:db8::5"]}`},
		"source ranges of both families": {"Federation",
			`exposure: {loadBalancer: {ipFamilyPolicy: RequireDualStack, sourceRanges: [198.51.100.0/24, "2001:db8::/32"]}}`},
		"dual stack for everyone": {"Federation", "exposure: {loadBalancer: {ipFamilyPolicy: PreferDualStack}}"},
		"routes by address and by name": {"Federation", `peers: [{domain: a.example, route: {host: 10.1.2.3, port: 15269}},
  {domain: b.example, route: {host: "2001:db8::1", port: 15269}}, {domain: c.example, route: {host: xmpp.c.example}},
  {domain: d.example, route: {host: xmpp.d.example, port: 5270}},
  {domain: e.example, route: {host: xmpp.e.example, port: 15269, addressRanges: [198.51.100.0/24, "2001:db8::/32"]}}]`},
		"resolvers of both families": {"Federation", `verification: {resolvers: ["203.0.113.53:53", "[2001:db8::53]:5353", "[::5]:53", "[fec0::1]:53"]}`},
		"every field":                {"Federation", everyField},
		"1000 partners of 64 domains": {"Federation",
			"{domains: " + list(64, "d%d.com") + ", peers: " + list(1000, "{domain: p%d.example, profile: GoogleTalk, acknowledgeInsecure: true}") + "}"},
		"partners by every way": {"Federation", `{peerDefaults: {access: Deny}, peers: [{domain: gmail.com, profile: Standard},
			{domain: talk.example, profile: GoogleTalk, acknowledgeInsecure: true}, {domain: bad.example, access: Deny},
			{domain: webex.example, profile: WebExConnect, acknowledgeInsecure: true}, {domain: cup8.example, profile: CUP},
			{domain: sametime.example, profile: Sametime, tls: Disabled, authentication: Dialback, acknowledgeInsecure: true},
			{domain: plain.example, authentication: CertificateOrDialback, route: {host: "2001:db8::5", port: 15269}}]}`},
		"a zone for every namespace":     {"DNSZone", "namespaces: {from: All}"},
		"a zone for labelled namespaces": {"DNSZone", "namespaces: {from: Selector, selector: {matchLabels: {a: b}}}"},
		"a zone for namespaces by expressions": {"DNSZone", `namespaces: {from: Selector, selector: {matchExpressions: [
			{key: team, operator: In, values: [chat, Chat_ops.2, ""]}, {key: trial, operator: DoesNotExist}]}}`},
		"a zone for namespaces with labels of every form": {"DNSZone", `namespaces: {from: Selector, selector: {
			matchLabels: {kubernetes.io/metadata.name: chat, Team_1.a: "", example.com/Team: 1-a.B_c},
			matchExpressions: [{key: example.com/Team, operator: NotIn, values: [` + strings.Repeat("c", 63) + `]}]}}`},
		"a zone for nobody yet":                       {"DNSZone", "{}"},
		"a zone that people write to":                 {"DNSZone", "provider: {manual: {}}"},
		"a zone behind a webhook in the same pod":     {"DNSZone", "provider: {webhook: {url: http://localhost:8888}}"},
		"a zone behind a webhook of another":          {"DNSZone", "provider: {webhook: {url: https://dns-webhook.dns.svc:8443/v1, srvTargets: Bare}}"},
		"a zone behind a webhook at an IPv4 address":  {"DNSZone", `provider: {webhook: {url: "http://203.0.113.5:8888"}}`},
		"a zone behind a webhook at an address":       {"DNSZone", `provider: {webhook: {url: "http://[2001:db8::5]:8888/"}}`},
		"a zone at Route 53 with the role of the pod": {"DNSZone", "provider: {route53: {}}"},
		"a zone at Route 53 with an access key": {"DNSZone", `provider: {route53: {hostedZoneID: Z0123456789ABCDEFGHIJ, region: cn-northwest-1,
			accessKeyIDSecretRef: {name: aws, key: access-key-id}, secretAccessKeySecretRef: {name: aws, key: secret-access-key},
			endpoint: "https://vpce-1.route53.vpce.amazonaws.com:443/"}}`},
		"a zone at Cloudflare": {"DNSZone", `provider: {cloudflare: {zoneID: 023e105f4ecef8ad9ca31a8372d0c353,
			apiTokenSecretRef: {name: cloudflare, key: token}}}`},
		"a zone with a brake on removals":        {"DNSZone", "brake: {}"},
		"a zone whose brake is switched off":     {"DNSZone", "brake: {percent: 100}"},
		"a zone whose records may be taken over": {"DNSZone", "takeover: Allow"},
		"a domain that several clusters serve":   {"Federation", "dns: {shared: true, hostname: cup1.cupdomain.com, transferTo: \"\"}"},
		"a zone that ExternalDNS writes to":      {"DNSZone", "provider: {dnsEndpoint: {}}"},
		"a zone that an old ExternalDNS writes":  {"DNSZone", "provider: {dnsEndpoint: {srvTargets: Bare}}"},
		"records to take over, of which some exist": {"Federation", `dns: {takeover: [{name: cup1.cupdomain.com, type: A},
			{name: _xmpp-server._tcp.cupdomain.com, type: SRV}, {name: cup1.cupdomain.com, type: AAAA}]}`},
	}
}

const everyField = `
domains: [cupdomain.com, cup.example]
server:
  engine: Prosody
  image: registry.example:5000/xmpp/prosody:13.0@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  replicas: 1
  groupChat: {subdomain: rooms, access: Members}
  accounts: {secretRef: {name: cup-accounts}, visibility: Contacts}
  storage: {size: 10Gi, storageClassName: fast}
  podTemplate:
    labels: {team: chat}
    annotations: {Example.com/Note: "any: text"}
    resources: {requests: {cpu: 50m}, limits: {memory: 512Mi}}
    nodeSelector: {kubernetes.io/arch: amd64}
    tolerations: [{key: dedicated, operator: Equal, value: chat, effect: NoSchedule}]
    affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [
      {matchExpressions: [{key: zone, operator: In, values: [a]}]}]}}}
    priorityClassName: high
    imagePullSecrets: [{name: registry}]
exposure:
  port: 15269
  loadBalancer:
    class: service.k8s.aws/nlb
    annotations: {service.beta.kubernetes.io/aws-load-balancer-type: external}
    ipFamilyPolicy: SingleStack
    sourceRanges: [198.51.100.0/24]
    externalTrafficPolicy: Local
  publicAddresses: [203.0.113.5]
dns: {hostname: cup1.cupdomain.com, ttl: 60, priority: 10, weight: 5, publicationPolicy: Immediate, deletionPolicy: Retain,
  maxCacheWait: 0s,
  takeover: [{name: cup1.cupdomain.com, type: A}], transferTo: 9f86d081884c7d65900a}
tls:
  secretRef: {name: cup-tls}
  trustedCAs: [{configMapRef: {name: lab-roots}}, {configMapRef: {name: more, key: roots.pem}}]
peerDefaults: {access: Deny, tls: Optional, authentication: CertificateOrDialback, acknowledgeInsecure: true}
peers: [{domain: talk.example, profile: GoogleTalk, access: Allow, tls: Disabled, authentication: Dialback, acknowledgeInsecure: true,
  route: {host: xmpp.talk.example, port: 15269, addressRanges: [203.0.113.0/24]}}]
verification: {interval: 1m, resolvers: ["203.0.113.53:53"], hostedServices: [webex.example]}
suspend: true`
