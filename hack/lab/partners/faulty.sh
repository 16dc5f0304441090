# shellcheck shell=bash
# faulty.example: whose owner gets everything wrong once. The tests of the doctor's fault matrix change its zone, its
# certificate and its packet filter; what only its server can have wrong, it is switched to:
#   no-tls     no STARTTLS, dialback only
#   old-tls    no newer TLS than 1.1
#   weak-keys  it takes keys and signatures that OpenSSL refuses by itself
#   no-proof   neither certificates nor dialback: no way for others to prove their domains
# Healthy, it is a server like that of gmail.com, which takes direct TLS too. faulty.example is in the zone that every
# partner has; delegated.faulty.example is for faults of name servers: its own are those of the tests.

# shellcheck disable=SC2034,SC2154 # read by lib/partners.sh, set by lib/prosody.sh
faulty_domain=faulty.example
faulty_address=203.0.113.27
faulty_server=prosody
faulty_on_demand=yes
faulty_faults="$prosody_faults no-tls old-tls weak-keys no-proof"
faulty_names="faulty.example *.faulty.example"

faulty_records() {
	partner_records faulty conference
	cat <<-E
		_xmpps-server._tcp SRV 0 0 5270 xmpp
		_xmpps-server._tcp.conference SRV 0 0 5270 xmpp
	E
}

# OpenSSL looks at its own settings before it takes a certificate, and at those of Prosody after.
faulty_files() {
	local level=2
	if has_fault faulty weak-keys; then level=0; fi
	prosody_files faulty
	in_partner faulty tee /etc/ssl/openssl.cnf <<-E >/dev/null
		openssl_conf = settings
		[settings]
		ssl_conf = tls
		[tls]
		system_default = everywhere
		[everywhere]
		CipherString = DEFAULT:@SECLEVEL=$level
	E
}

faulty_config() {
	local tls=true setting certificate='certificate = "/lab/s2s/tls.crt", key = "/lab/s2s/tls.key"'
	if has_fault faulty no-tls; then tls=false; fi
	setting=$(faulty_tls_setting)
	cat <<-E
		s2s_allow_encryption = $tls
		s2s_require_encryption = $tls
		s2s_secure_auth = $tls
		s2s_direct_tls_ports = { 5270 }
		use_ipv6 = false
		ssl = { $certificate }
		s2s_direct_tls_ssl = { $certificate, $setting }
	E
	[[ -z $setting ]] || echo "s2s_ssl = { $certificate, cafile = \"/lab/trusted.crt\", $setting }"
	if has_fault faulty no-proof; then echo 'modules_disabled = { "dialback" }'; fi
	cat <<-E
		VirtualHost "faulty.example"
		VirtualHost "delegated.faulty.example"
		Component "conference.faulty.example" "muc"
	E
}

# faulty_tls_setting prints what a fault wants of TLS.
faulty_tls_setting() {
	if has_fault faulty old-tls; then
		echo 'protocol = "tlsv1+", options = { no_tlsv1_2 = true, no_tlsv1_3 = true }, ciphers = "ALL:@SECLEVEL=0"'
	elif has_fault faulty no-proof; then
		echo 'verify = "none"'
	fi
}
