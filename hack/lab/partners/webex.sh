# shellcheck shell=bash
# webex.example: like a tenant of WebEx Connect 6. Its certificate is the provider's and names no tenant; TLS is
# optional, certificates of partners are not asked for, so that dialback is all there is.
#   requires-tls   the provider no longer takes streams without TLS

# shellcheck disable=SC2034 # read by lib/partners.sh
webex_domain=webex.example
webex_address=203.0.113.24
webex_server=prosody
webex_user=wendy
webex_password=wendy-lab-password
webex_names=tenants.webex-lab.example
webex_verifies=no
webex_faults="hosts-us refuses-us requires-tls"

webex_records() { partner_records webex; }

webex_config() {
	local required=false
	if has_fault webex requires-tls; then required=true; fi
	cat <<-E
		s2s_require_encryption = $required
		s2s_secure_auth = false
		VirtualHost "webex.example"
	E
}
