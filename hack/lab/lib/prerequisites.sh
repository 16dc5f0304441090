# shellcheck shell=bash
# What the lab needs from Debian.

PACKAGES=(containernetworking-plugins bind9 bind9-dnsutils bind9-utils mmdebstrap debian-archive-keyring
	iptables nftables iproute2 conntrack kmod openssl curl procps tcpdump testssl.sh xmpp-dns knot pdns-server pdns-backend-sqlite3 sqlite3)

prerequisites() {
	local packages=("${PACKAGES[@]}")
	new_enough_go || die "Go is missing or older than 1.21: install it; newer ones fetch the version in go.mod themselves"
	# Docker's packages bring these programs too, and conflict with Debian's.
	type -P containerd ctr runc >/dev/null || packages+=(containerd runc)
	"$ROOT/hack/prerequisites.sh" "${packages[@]}" 9>&-
}

new_enough_go() {
	[[ $(GOTOOLCHAIN=local go version) =~ go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 21))
} 2>/dev/null
