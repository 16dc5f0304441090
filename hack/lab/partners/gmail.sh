# shellcheck shell=bash
# gmail.com: a well-kept standards server (Prosody 13). It demands TLS with a certificate it can verify,
# offers dialback beside it, and takes clients on port 5222 at the same address.

# shellcheck disable=SC2034 # read by lib/partners.sh
gmail_domain=gmail.com
gmail_address=203.0.113.20
gmail_rootfs=$IMAGES/prosody-13.0/rootfs
# The user of the reference scenario, jdoe1@gmail.com, and the password that tests and demo log in with.
gmail_user=jdoe1
gmail_password=jdoe1-lab-password
export gmail_rootfs

gmail_records() {
	cat <<-E
		_xmpp-server._tcp SRV 0 0 5269 xmpp
		_xmpp-server._tcp.conference SRV 0 0 5269 xmpp
		_xmpp-client._tcp SRV 0 0 5222 xmpp
		xmpp A $gmail_address
	E
}

gmail_files() {
	local lab=$LAB_DIR/partners/gmail/upper/lab owner
	owner=$(stat -c %u:%g "$gmail_rootfs/var/lib/prosody")
	mkdir -p "$lab"/{data,certs}
	gmail_config >"$lab/prosody.cfg.lua"
	issue ca "$lab/certs/gmail.com" gmail.com conference.gmail.com xmpp.gmail.com
	mv "$lab/certs/gmail.com/tls.crt" "$lab/certs/gmail.com.crt"
	mv "$lab/certs/gmail.com/tls.key" "$lab/certs/gmail.com.key"
	rmdir "$lab/certs/gmail.com"
	cp "$PKI/ca.crt" "$lab/ca.crt"
	chown -R "$owner" "$lab"
}

gmail_prepare() { partner_root gmail "$gmail_rootfs"; }
export -f gmail_prepare

gmail_start() {
	local root=$LAB_DIR/partners/gmail/root
	in_partner gmail prosodyctl --config /lab/prosody.cfg.lua register $gmail_user gmail.com $gmail_password >>"$LOGS/partner-gmail.log" 2>&1
	start partner-gmail gmail chroot --userspec="$(stat -c %u:%g "$gmail_rootfs/var/lib/prosody")" "$root" \
		prosody -F --config /lab/prosody.cfg.lua
	await 20 "partner gmail" in_host internet bash -c "exec 3<>/dev/tcp/$gmail_address/5269"
}

# gmail_shell hands one line to Prosody's admin shell, for example: 's2s:show()'
gmail_shell() { in_partner gmail prosodyctl --config /lab/prosody.cfg.lua shell "$@"; }

gmail_config() {
	cat <<-E
		data_path = "/lab/data"
		pidfile = "/lab/data/prosody.pid"
		admin_socket = "/lab/data/prosody.sock"
		log = { info = "*console" }
		interfaces = { "$gmail_address" }
		modules_enabled = {
			"admin_shell", "dialback", "disco", "ping", "roster", "saslauth", "tls", "version",
		}
		authentication = "internal_hashed"
		certificates = "/lab/certs"
		c2s_require_encryption = true
		s2s_require_encryption = true
		s2s_secure_auth = true
		s2s_ssl = { cafile = "/lab/ca.crt" }
		s2s_timeout = 10
		VirtualHost "gmail.com"
		Component "conference.gmail.com" "muc"
	E
}
