# shellcheck shell=bash
# Partner organisations: one file partners/NAME.sh each. It sets
#   NAME_domain, NAME_address
#   NAME_user, NAME_password   an account for a chat client, on port 5222 of the address (optional)
#   NAME_faults                what can be wrong with it, besides what lib/faults.sh knows for every host
#   NAME_on_demand=yes         it is not started by "up" (optional)
#   NAME_server                the software whose functions do what NAME does not declare itself: prosody (optional)
# and declares
#   NAME_records   prints the records of its domain, in zone file form
#   NAME_files     writes what the partner's daemons read, faults included, into partners/NAME
#   NAME_start     starts the daemons, named partner-NAME or partner-NAME-…, and waits until they answer
#   NAME_shell     hands its arguments to the server's own command line (optional)
# What is a server in a Debian root filesystem sets NAME_rootfs, and finds partners/NAME/lab at /lab of its root.

partners() {
	local file
	for file in "$LAB_SRC"/partners/*.sh; do basename "$file" .sh; done
}

load_partners() {
	local name domain
	for name in $(partners); do
		# shellcheck source=/dev/null
		source "$LAB_SRC/partners/$name.sh"
		domain=${name}_domain
		add_zone "${!domain}" "${name}_records"
	done
}

# partner_records NAME [SUBDOMAIN…] prints what most partners publish: one server for domain, subdomains and clients.
partner_records() {
	local address=${1}_address subdomain
	cat <<-E
		_xmpp-server._tcp SRV 0 0 5269 xmpp
		_xmpp-client._tcp SRV 0 0 5222 xmpp
		xmpp A ${!address}
	E
	for subdomain in "${@:2}"; do echo "_xmpp-server._tcp.$subdomain SRV 0 0 5269 xmpp"; done
}

# partner_var NAME VARIABLE prints NAME_VARIABLE, or what its server software has by that name; maybe nothing.
partner_var() {
	local own=${1}_$2 server=${1}_server shared
	shared=${!server:-none}_$2
	echo "${!own-${!shared-}}"
}

# partner_do NAME ACTION [ARGS…] calls NAME_ACTION, or else what its server software has for that: SERVER_ACTION NAME.
partner_do() {
	local name=$1 action=$2 server=${1}_server
	if declare -F "${name}_$action" >/dev/null; then
		"${name}_$action" "${@:3}"
	else
		declare -F "${!server:-none}_$action" >/dev/null || die "partner $name has no $action"
		"${!server}_$action" "$name" "${@:3}"
	fi
}

# add_partners makes all of them, side by side.
add_partners() {
	local name jobs=() job
	for name in $(partners); do
		add_partner "$name" &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do wait "$job"; done
}

add_partner() {
	local name=$1 address=${1}_address rootfs
	mkdir -p "$LAB_DIR/partners/$name"
	rootfs=$(partner_var "$name" rootfs)
	add_host "$name" ${rootfs:+partner_root "$name" "$rootfs"}
	plug "$name" servers "${!address}/25" 203.0.113.1
	set_faults "$name"
	partner_do "$name" files
	starts_by_itself "$name" || return 0
	partner_do "$name" start
}

starts_by_itself() { [[ -z $(partner_var "$1" on_demand) ]]; }

# heal_partners brings back what a test that broke off may have left stopped or faulty.
heal_partners() {
	local name
	for name in $(partners); do
		if [[ -s $LAB_DIR/partners/$name/faults ]]; then
			switch_partner "$name"
		elif starts_by_itself "$name"; then
			partner_do "$name" start
		fi
	done
}

# partner start|stop|restart|switch|shell NAME [ARGS…]
partner() {
	local action=${1-} name=${2-}
	[[ -e $LAB_SRC/partners/$name.sh ]] || die "want: partner start|stop|restart|switch|shell NAME, NAME one of: $(partners | xargs)"
	[[ -e $LAB_DIR/partners/$name ]] || die "the lab is down: run hack/lab/lab up"
	shift 2
	case $action in
	start) partner_do "$name" start ;;
	stop) stop_partner "$name" ;;
	restart)
		stop_partner "$name"
		partner_do "$name" start
		;;
	switch) switch_partner "$name" "$@" ;;
	shell) partner_do "$name" shell "$@" ;;
	*) die "want: partner start|stop|restart|switch|shell NAME" ;;
	esac
}

stop_partner() {
	local name=$1 running
	mapfile -t running < <(daemons | grep -Ex "partner-$name(-.*)?")
	stop "${running[@]}"
}

# partner_root NAME ROOTFS runs in the host's mount namespace: a root of the partner's own over the shared ROOTFS,
# where it writes to its own layer, with partners/NAME/lab at /lab.
partner_root() {
	local dir=$LAB_DIR/partners/$1 part
	mkdir -p "$dir"/{upper/lab,lab,work,root}
	mount -t overlay -o "lowerdir=$2,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/root"
	mount --bind "$dir/lab" "$dir/root/lab"
	for part in dev proc etc/resolv.conf; do mount --rbind "/$part" "$dir/root/$part"; done
}
export -f partner_root
export LAB_DIR

# in_partner NAME CMD… runs CMD in the partner's own root.
in_partner() {
	local name=$1
	shift
	in_host "$name" chroot "$LAB_DIR/partners/$name/root" "$@"
}

# start_in_partner NAME DIRECTORY CMD… starts the partner's daemon in its own root, as the owner of DIRECTORY there.
start_in_partner() {
	local name=$1 root=$LAB_DIR/partners/$1/root
	start "partner-$name" "$name" chroot --userspec="$(partner_owner "$name" "$2")" "$root" "${@:3}"
}

# partner_owner NAME DIRECTORY prints the user and group, as numbers, that own DIRECTORY in the partner's root.
partner_owner() { stat -c %u:%g "$(partner_var "$1" rootfs)$2"; }

# partner_answers: the server says something to those who open a stream, not only listens. Asked from its own host,
# where no fault of the network is in the way.
partner_answers() {
	local address=${1}_address
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_host "$1" bash -c 'exec 3<>"/dev/tcp/$0/5269"
		echo "<stream:stream xmlns=\"jabber:server\" xmlns:stream=\"http://etherx.jabber.org/streams\" version=\"1.0\">" >&3
		read -r -t 20 -n 1 <&3' "${!address}"
}
