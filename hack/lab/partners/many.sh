# shellcheck shell=bash
# p001.many.example to p300.many.example: 300 partners for tests of scale, all of them one Prosody.

# shellcheck disable=SC2034 # read by lib/partners.sh
many_domain=many.example
many_address=203.0.113.26
many_server=prosody
many_on_demand=yes
many_names='*.many.example'

# $GENERATE is BIND's: one record for each number, written with three digits.
many_records() {
	cat <<-E
		\$GENERATE 1-300 _xmpp-server._tcp.p\${0,3,d} SRV "0 0 5269 xmpp"
		xmpp A $many_address
	E
}

many_config() {
	cat <<-E
		s2s_require_encryption = true
		s2s_secure_auth = true
		for i = 1, 300 do
			VirtualHost(("p%03d.many.example"):format(i))
		end
	E
}
