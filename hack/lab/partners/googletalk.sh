# shellcheck shell=bash
# talk.example: like GoogleTalk while it federated. No real server does so any more; hack/lab/googletalk is a small one. It
# offers no STARTTLS, sends stream headers without a version, knows dialback only, and verifies from other addresses than
# the one in its records. Its variants:
#   hosts-us [DOMAIN]     it takes our domain for its own, so that our dialback key is "invalid" without our being asked
#   refuses-us [DOMAIN]   it answers our dialback key with an error, by policy
#   requires-tls          it turns away servers that come without TLS, though it has none
#   bare-headers          the headers of the streams that it opens name no domain, so that only dialback says who it is

# shellcheck disable=SC2034 # read by lib/partners.sh
googletalk_domain=talk.example
googletalk_address=203.0.113.25
googletalk_user=gina
googletalk_password=gina-lab-password
googletalk_faults="hosts-us refuses-us requires-tls bare-headers"
googletalk_sources=(203.0.113.45 203.0.113.46)

googletalk_records() {
	cat <<-E
		_xmpp-server._tcp SRV 5 0 5269 xmpp-server
		_xmpp-server._tcp SRV 20 0 5269 xmpp-server1
		_xmpp-client._tcp SRV 0 0 5222 talk
		xmpp-server A $googletalk_address
		xmpp-server1 A $googletalk_address
		talk A $googletalk_address
	E
}

googletalk_files() { partner_certificates googletalk talk.example; }

googletalk_start() {
	local certificate=$LAB_DIR/partners/googletalk/lab/c2s/tls address sources fault faults=()
	alive partner-googletalk && return
	for address in "${googletalk_sources[@]}"; do
		in_host googletalk ip addr replace "$address/25" dev eth0
	done
	sources=$(IFS=, && echo "${googletalk_sources[*]}")
	for fault in requires-tls bare-headers; do
		if has_fault googletalk "$fault"; then faults+=("-$fault"); fi
	done
	start partner-googletalk googletalk "$BIN/lab/googletalk" -domain talk.example \
		-user "$googletalk_user" -password "$googletalk_password" -certificate "$certificate.crt" -key "$certificate.key" \
		-peers "$googletalk_address:5269" -clients "$googletalk_address:5222" -sources "$sources" \
		-hosts "$(fault_domain googletalk hosts-us)" -refuses "$(fault_domain googletalk refuses-us)" "${faults[@]}"
	await 20 "partner googletalk" partner_answers googletalk
}
