# shellcheck shell=bash
# ejabberd.example: the other standards server of the field, ejabberd 24.12. TLS required, certificates verified,
# SASL EXTERNAL only. When it serves a domain of somebody else it does so silently: it takes the streams of the real
# server, but routes every answer to its own.

# shellcheck disable=SC2034 # read by lib/partners.sh
ejabberd_domain=ejabberd.example
ejabberd_address=203.0.113.21
ejabberd_user=emma
ejabberd_password=emma-lab-password
ejabberd_rootfs=$IMAGES/ejabberd-24.12/rootfs
ejabberd_faults="hosts-us refuses-us rejects-our-certificate expired-certificate self-signed-certificate wrong-name-certificate"

ejabberd_records() { partner_records ejabberd conference; }

ejabberd_files() {
	local dir=$LAB_DIR/partners/ejabberd/lab
	mkdir -p "$dir/data"
	partner_certificates ejabberd ejabberd.example conference.ejabberd.example xmpp.ejabberd.example
	cp "$(partner_trusts ejabberd)" "$dir/trusted.crt"
	ejabberd_config >"$dir/ejabberd.yml"
	chown -R "$(partner_owner ejabberd /var/lib/ejabberd)" "$dir"
}

# What it shows to clients is what it shows to servers: it knows certificates by domain only.
# A failed connection is not tried again for a random time up to s2s_max_retry_delay.
ejabberd_config() {
	local hosted refused
	hosted=$(fault_domain ejabberd hosts-us)
	refused=$(fault_domain ejabberd refuses-us)
	cat <<-E
		hosts: [ejabberd.example${hosted:+, $hosted}]
		certfiles: [/lab/s2s/tls.crt, /lab/s2s/tls.key]
		ca_file: /lab/trusted.crt
		s2s_use_starttls: required
		s2s_access: partners
		s2s_max_retry_delay: 1
		s2s_dns_timeout: 2
		outgoing_s2s_timeout: 5
		acl: {refused: {server: [${refused:-none.invalid}, conference.${refused:-none.invalid}]}}
		access_rules: {partners: [{deny: refused}, {allow: all}], clients: [{allow: all}]}
		listen:
		- {port: 5222, ip: "$ejabberd_address", module: ejabberd_c2s, starttls_required: true, access: clients}
		- {port: 5269, ip: "$ejabberd_address", module: ejabberd_s2s_in}
		- {port: 5269, ip: "$(address6 "$ejabberd_address")", module: ejabberd_s2s_in}
		modules: {mod_disco: {}, mod_muc: {}, mod_ping: {}, mod_roster: {}, mod_version: {}}
	E
}

# Without ejabberdctl, which wants a port mapper that would stay. The account is there before anybody may ask for it.
ejabberd_start() {
	local ready=$LAB_DIR/partners/ejabberd/lab/data/ready
	alive partner-ejabberd && return
	rm -f "$ready"
	start_in_partner ejabberd /var/lib/ejabberd env HOME=/lab/data ERL_LIBS="/usr/lib/$(uname -m)-linux-gnu" \
		EJABBERD_CONFIG_PATH=/lab/ejabberd.yml EJABBERD_LOG_PATH=/lab/data/ejabberd.log \
		erl -noinput -start_epmd false +S 1 +sbwt none -mnesia dir '"/lab/data/mnesia"' -s ejabberd -eval "
			ejabberd_auth:try_register(<<\"$ejabberd_user\">>, <<\"ejabberd.example\">>, <<\"$ejabberd_password\">>),
			ok = file:write_file(\"/lab/data/ready\", [])."
	await 30 "partner ejabberd" test -e "$ready"
	await 10 "partner ejabberd" partner_answers ejabberd
}
