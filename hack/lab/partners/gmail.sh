# shellcheck shell=bash
# gmail.com: a well-kept standards server (Prosody 13). It demands TLS with a certificate it can verify,
# offers dialback beside it, and takes clients on port 5222 at the same address.

# shellcheck disable=SC2034 # read by lib/partners.sh
gmail_domain=gmail.com
gmail_address=203.0.113.20
gmail_server=prosody
# The user of the reference scenario, jdoe1@gmail.com, and the password that tests and demo log in with.
gmail_user=jdoe1
gmail_password=jdoe1-lab-password

gmail_records() { partner_records gmail conference; }

gmail_config() {
	cat <<-E
		s2s_require_encryption = true
		s2s_secure_auth = true
		VirtualHost "gmail.com"
		Component "conference.gmail.com" "muc"
	E
}
