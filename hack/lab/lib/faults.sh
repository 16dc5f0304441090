# shellcheck shell=bash
# Switches that make a partner wrong. They are remembered in partners/NAME/faults, one per line, until switched again.
# The partner's own configuration reads them with has_fault; those of its network are the same for every partner:
#   drops-packets          a firewall drops what comes to and from port 5269
#   refuses-connections    nothing listens on port 5269
NETWORK_FAULTS="drops-packets refuses-connections"
# Followed by a domain, if not ours is meant.
FAULTS_WITH_DOMAIN="hosts-us refuses-us"
OUR_DOMAIN=cupdomain.com

# switch_partner NAME [FAULT…] gives the partner these faults and no others. It returns when the partner answers again,
# to those in its own host at least. Streams end in an orderly way before the network gets faulty.
switch_partner() {
	local name=$1
	set_faults "$@"
	stop_partner "$name"
	apply_network_faults "$name"
	partner_do "$name" files
	partner_do "$name" start
}

# set_faults NAME [FAULT…] only remembers them.
set_faults() {
	local name=$1 known fault lines=()
	shift
	known="$(partner_var "$name" faults) $NETWORK_FAULTS"
	while (($#)); do
		fault=$1
		shift
		[[ " $known " == *" $fault "* ]] || die "partner $name has no fault $fault; it knows: $known"
		if [[ " $FAULTS_WITH_DOMAIN " == *" $fault "* ]]; then
			fault+=" $OUR_DOMAIN"
			if [[ ${1-} == *.* ]]; then
				fault="${fault% *} $1"
				shift
			fi
		fi
		lines+=("$fault")
	done
	printf '%s\n' "${lines[@]}" | sed '/^$/d' >"$LAB_DIR/partners/$name/faults"
}

has_fault() { grep -qE "^$2( |\$)" "$LAB_DIR/partners/$1/faults"; }

# fault_domain NAME FAULT prints the domain that the fault is about; nothing if it is off.
fault_domain() { awk -v fault="$2" '$1 == fault { print $2 }' "$LAB_DIR/partners/$1/faults"; }

# apply_network_faults has the packet filter of the partner's host do as the faults say, except on the host itself.
apply_network_faults() {
	local name=$1 rules=
	if has_fault "$name" drops-packets; then
		rules='chain in { type filter hook input priority 0; iifname eth0 tcp dport 5269 drop; }
			chain out { type filter hook output priority 0; oifname eth0 tcp sport 5269 drop; }'
	elif has_fault "$name" refuses-connections; then
		rules='chain in { type filter hook input priority 0; iifname eth0 tcp dport 5269 reject with tcp reset; }'
	fi
	in_host "$name" nft "table inet faults; delete table inet faults; table inet faults { $rules; }"
}

# partner_certificates NAME NAMES… writes partners/NAME/lab/{s2s,c2s}/tls.{crt,key}: what the partner shows to other
# servers, with NAMES in it unless a fault says otherwise, and what it shows to clients, which is always good. NAME_ca
# is the CA of the first, by default the one that everybody trusts; another one is the partner's own.
partner_certificates() {
	local name=$1 dir=$LAB_DIR/partners/$1/lab ca domain=${1}_domain days=365
	shift
	ca=$(partner_var "$name" ca)
	ca=${ca:-ca}
	[[ -e $PKI/$ca.crt ]] || new_ca "$ca" "Own CA of ${!domain}"
	if has_fault "$name" expired-certificate; then days=0; fi
	if has_fault "$name" self-signed-certificate; then ca=itself; fi
	if has_fault "$name" wrong-name-certificate; then set -- other.example; fi
	VALID_DAYS=$days issue "$ca" "$dir/s2s" "$@"
	[[ -e $dir/c2s/tls.crt ]] || issue ca "$dir/c2s" "${!domain}"
}

# partner_trusts NAME prints the file of the CA whose certificates the partner takes from other servers.
partner_trusts() {
	if has_fault "$1" rejects-our-certificate; then
		echo "$PKI/other-ca.crt"
	else
		echo "$PKI/ca.crt"
	fi
}
