# shellcheck shell=bash
# What the lab needs from Debian. Nothing of it is started by its package.

PACKAGES=(containerd runc containernetworking-plugins bind9 bind9-dnsutils bind9-utils mmdebstrap
	debian-archive-keyring iptables nftables iproute2 conntrack kmod openssl curl procps)

prerequisites() {
	local missing=() package
	for package in "${PACKAGES[@]}"; do
		dpkg-query -Wf '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	command -v go >/dev/null || die "Go is missing: install it, the version in go.mod or newer"
	((${#missing[@]})) || return 0
	timed "installed ${#missing[@]} Debian packages" apt_install "${missing[@]}"
}

# apt_install keeps services from starting: a named or containerd of the machine is not the lab's business.
apt_install() {
	local policy=/usr/sbin/policy-rc.d guard='' log rc=0
	log=$(mktemp)
	if [[ ! -e $policy ]]; then
		guard=1
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod +x $policy
	fi
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
		>"$log" 2>&1 9>&- || rc=$?
	[[ -z $guard ]] || rm -f $policy
	((rc == 0)) || cat "$log" >&2
	rm -f "$log"
	return "$rc"
}
