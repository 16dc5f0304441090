# shellcheck shell=bash
# cup8.example: like Cisco Unified Presence 8 set to "TLS Required" with client certificates. Its certificate comes from
# a private CA (pki/cup8.crt), which its partners have to trust; it trusts theirs. SASL EXTERNAL only, no dialback.

# shellcheck disable=SC2034 # read by lib/partners.sh
cup8_domain=cup8.example
cup8_address=203.0.113.22
cup8_server=prosody
cup8_user=carla
cup8_password=carla-lab-password
cup8_ca=cup8

cup8_records() { partner_records cup8 conference; }

cup8_config() {
	cat <<-E
		s2s_require_encryption = true
		s2s_secure_auth = true
		modules_disabled = { "dialback" }
		VirtualHost "cup8.example"
		Component "conference.cup8.example" "muc"
	E
}
