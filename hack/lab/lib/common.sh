# shellcheck shell=bash
# shellcheck disable=SC2034 # the names declared here are used by the other files
# Names, places and small helpers that every other file of the lab uses.

ROOT=$(cd "$LAB_SRC/../.." && pwd)
BIN=$ROOT/bin
LAB_DIR=/var/lib/xmppfed-lab
RUN=$LAB_DIR/run
LOGS=$LAB_DIR/logs

KUBE_VERSION=$(awk '$1 == "k8s.io/kubernetes" { print substr($2, 2); exit }' "$LAB_SRC/kube/go.mod")
KUBE_BIN=$BIN/kube-$KUBE_VERSION
IMAGES=$BIN/images

say() { printf '%s\n' "$*" >&2; }

die() {
	say "lab: $*"
	exit 1
}

# timed TEXT CMD… runs CMD, then prints TEXT and how long it took. CMD must not be part of a condition,
# where bash would ignore its failures.
timed() {
	local text=$1 began=$EPOCHREALTIME ended
	shift
	"$@"
	ended=$EPOCHREALTIME
	printf '%-46s %7.1f s\n' "$text" "$(((${ended/./} - ${began/./}) / 100000))e-1" >&2
}

# await SECONDS WHAT CMD… polls until CMD succeeds.
await() {
	local limit=$1 what=$2 deadline=$((SECONDS + $1))
	shift 2
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || die "waiting for $what: not there after $limit s; see $LOGS"
		sleep 0.1
	done
}

need_root() { ((EUID == 0)) || die "namespaces and mounts need root: run it as root"; }

# one_at_a_time keeps two runs from interleaving. The lock is on a directory that is always there, so
# that nothing is left behind; daemons must not inherit it (they close it).
one_at_a_time() {
	exec 9</var/lib
	flock --nonblock 9 || {
		say "waiting for another run of the lab to end"
		flock 9
	}
}
