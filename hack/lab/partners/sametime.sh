# shellcheck shell=bash
# sametime.example: like IBM Lotus Sametime 8.5 behind its Gateway, with roots exchanged: TLS with a certificate from a
# CA of its own (pki/sametime.crt), and none of partners it can't verify. No rooms. Its variant:
#   no-tls   no STARTTLS, dialback only

# shellcheck disable=SC2034,SC2154 # read by lib/partners.sh, set by lib/prosody.sh
sametime_domain=sametime.example
sametime_address=203.0.113.23
sametime_server=prosody
sametime_user=sam
sametime_password=sam-lab-password
sametime_ca=sametime
sametime_faults="$prosody_faults no-tls"

sametime_records() { partner_records sametime; }

sametime_config() {
	local tls=true
	if has_fault sametime no-tls; then tls=false; fi
	cat <<-E
		s2s_allow_encryption = $tls
		s2s_require_encryption = $tls
		s2s_secure_auth = $tls
		VirtualHost "sametime.example"
	E
}
