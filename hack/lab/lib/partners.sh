# shellcheck shell=bash
# Partner organisations: one file partners/NAME.sh each. It sets NAME_address and NAME_domain, and declares
#   NAME_records   prints the records of its domain, in zone file form
#   NAME_files     writes what the partner's host needs, before the host is there
#   NAME_prepare   runs in the mount namespace of the new host; must be exported (optional)
#   NAME_start     starts the partner's daemons, named partner-NAME or partner-NAME-…
#   NAME_shell     hands its arguments to the server's own command line (optional)
# A partner that is a server from one of the Debian root filesystems uses the functions at the end.

partners() {
	local file
	for file in "$LAB_SRC"/partners/*.sh; do basename "$file" .sh; done
}

load_partners() {
	local file domain
	for file in "$LAB_SRC"/partners/*.sh; do
		# shellcheck source=/dev/null
		source "$file"
		file=$(basename "$file" .sh)
		domain=${file}_domain
		add_zone "${!domain}" "${file}_records"
	done
}

add_partner() {
	local name=$1 address=${1}_address prepare=()
	mkdir -p "$LAB_DIR/partners/$name"
	"${name}_files"
	if declare -F "${name}_prepare" >/dev/null; then prepare=("${name}_prepare"); fi
	add_host "$name" "${prepare[@]}"
	plug "$name" servers "${!address}/25" 203.0.113.1
	"${name}_start"
}

# partner start|stop|restart|shell NAME [ARGS…]
partner() {
	local action=${1-} name=${2-} daemon
	[[ -e $LAB_SRC/partners/$name.sh ]] || die "want: partner start|stop|restart|shell NAME, NAME one of: $(partners | xargs)"
	shift 2
	case $action in
	start) "${name}_start" ;;
	stop) for daemon in $(daemons | grep -Ex "partner-$name(-.*)?"); do stop "$daemon"; done ;;
	restart)
		partner stop "$name"
		partner start "$name"
		;;
	shell) "${name}_shell" "$@" ;;
	*) die "want: partner start|stop|restart|shell NAME" ;;
	esac
}

# partner_root NAME ROOTFS runs in the host's mount namespace: a root of the partner's own over the shared
# ROOTFS, where it writes to its own layer. NAME_files puts files into partners/NAME/upper beforehand.
partner_root() {
	local dir=$LAB_DIR/partners/$1 part
	mkdir -p "$dir"/{upper,work,root}
	mount -t overlay -o "lowerdir=$2,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/root"
	for part in dev proc etc/resolv.conf; do mount --rbind "/$part" "$dir/root/$part"; done
}
export -f partner_root
export LAB_DIR IMAGES

# in_partner NAME CMD… runs CMD in the partner's own root.
in_partner() {
	local name=$1
	shift
	in_host "$name" chroot "$LAB_DIR/partners/$name/root" "$@"
}
