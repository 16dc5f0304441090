# shellcheck shell=bash
# Partners whose server is Prosody 13. Such a partner sets NAME_server=prosody and declares
#   NAME_config    prints what differs: policy between servers, then the hosts that are served
#   NAME_names     names in its certificate; default: its domain, conference and xmpp in it
#   NAME_verifies=no  it neither asks for certificates of other servers nor looks at them (optional)

# shellcheck disable=SC2034 # read by lib/partners.sh, as prosody_WHAT
prosody_rootfs=$IMAGES/prosody-13.0/rootfs
prosody_faults="hosts-us refuses-us rejects-our-certificate expired-certificate self-signed-certificate wrong-name-certificate"

prosody_files() {
	local name=$1 dir=$LAB_DIR/partners/$1/lab domain=${1}_domain names
	mkdir -p "$dir"/{data,plugins}
	names=$(partner_var "$name" names)
	# shellcheck disable=SC2086 # one argument for each name
	partner_certificates "$name" ${names:-${!domain} conference.${!domain} xmpp.${!domain}}
	cp "$(partner_trusts "$name")" "$dir/trusted.crt"
	cp "$LAB_SRC/lib/mod_lab_refuse.lua" "$dir/plugins/"
	prosody_config "$name" >"$dir/prosody.cfg.lua"
	chown -R "$(partner_owner "$name" /var/lib/prosody)" "$dir"
}

prosody_config() {
	local name=$1 address=${1}_address hosted verify=
	[[ $(partner_var "$name" verifies) != no ]] || verify='verify = "none";'
	cat <<-E
		data_path = "/lab/data"
		pidfile = "/lab/data/prosody.pid"
		admin_socket = "/lab/data/prosody.sock"
		plugin_paths = { "/lab/plugins" }
		log = { info = "*console" }
		interfaces = { "${!address}", "$(address6 "${!address}")" }
		modules_enabled = {
			"admin_shell", "dialback", "disco", "lab_refuse", "ping", "roster", "saslauth", "tls", "version",
		}
		authentication = "internal_hashed"
		certificates = "/lab/c2s"
		c2s_require_encryption = true
		c2s_ssl = { certificate = "/lab/c2s/tls.crt", key = "/lab/c2s/tls.key" }
		s2s_ssl = { certificate = "/lab/s2s/tls.crt", key = "/lab/s2s/tls.key", cafile = "/lab/trusted.crt", $verify }
		s2s_timeout = 10
		refused_domain = "$(fault_domain "$name" refuses-us)"
	E
	"${name}_config"
	hosted=$(fault_domain "$name" hosts-us)
	[[ -z $hosted ]] || echo "VirtualHost \"$hosted\""
}

prosody_start() {
	local name=$1
	alive "partner-$name" && return
	prosody_register "$name" >>"$LOGS/partner-$name.log" 2>&1
	start_in_partner "$name" /var/lib/prosody prosody -F --config /lab/prosody.cfg.lua
	await 300 "partner $name" partner_answers "$name"
}

# prosody_register makes the partner's user once: the data outlives the server.
prosody_register() {
	local name=$1 user=${1}_user password=${1}_password domain=${1}_domain done=$LAB_DIR/partners/$1/registered
	[[ -n ${!user-} && ! -e $done ]] || return 0
	in_partner "$name" prosodyctl --config /lab/prosody.cfg.lua register "${!user}" "${!domain}" "${!password}"
	touch "$done"
}

# prosody_shell NAME LINE hands one line to Prosody's admin shell, for example: 's2s:show()'
prosody_shell() { in_partner "$1" prosodyctl --config /lab/prosody.cfg.lua shell "${@:2}"; }
