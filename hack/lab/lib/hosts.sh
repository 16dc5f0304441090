# shellcheck shell=bash
# The hosts of the small internet. A host is a named network namespace and a process that holds it together
# with a mount namespace, in which the host has its own /etc/resolv.conf. Neither touches the machine:
# no address, no route, no mount outside. Hosts have addresses of both families: see address6.

DNS_PRIMARY=203.0.113.53
DNS_SECONDARY=203.0.113.54
DNS_RESOLVER=203.0.113.55
NODE_IP=198.51.100.10

netns() { echo "xmppfed-$1"; }

# address6 ADDRESS prints the IPv6 address of the host that has an IPv4 address: 2001:db8:113::20 for 203.0.113.20.
address6() {
	local parts
	IFS=. read -ra parts <<<"$1"
	echo "2001:db8:${parts[2]}::${parts[3]}"
}

# in_host HOST CMD… runs CMD there, in the same directory; its exit code is passed on.
in_host() {
	local host=$1 pid
	shift
	pid=$(pid_of "host-$host") || die "host $host is not up: run hack/lab/lab up"
	nsenter --target "$pid" --mount --net --wdns="$PWD" -- "$@"
}

# add_host NAME [PREPARE…] makes a host; PREPARE is a command that runs in its mount namespace first.
add_host() {
	local name=$1
	shift
	ip netns add "$(netns "$name")"
	mkdir -p "$LAB_DIR/hosts/$name"
	printf '%s\n' "nameserver $DNS_PRIMARY" "nameserver $DNS_SECONDARY" "options timeout:1 attempts:3" \
		>"$LAB_DIR/hosts/$name/resolv.conf"
	# IPv6 addresses are good at once, without asking around for a second whether somebody else has them.
	# shellcheck disable=SC2016 # expanded by the inner shell
	detached nsenter --net="/run/netns/$(netns "$name")" unshare --mount --propagation private bash -euc '
		echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
		mount --bind "$1" /etc/resolv.conf; shift
		"$@"
		exec sleep infinity' "$(netns "$name")" "$LAB_DIR/hosts/$name/resolv.conf" "${@:-true}" \
		>>"$LOGS/host-$name.log" 2>&1 </dev/null &
	remember "host-$name" $!
	await 10 "host $name" holder_ready "host-$name"
	ip -n "$(netns "$name")" link set lo up
}

# holder_ready: the mounts are done once the shell has become sleep.
holder_ready() {
	local pid
	pid=$(pid_of "$1") && [[ $(<"/proc/$pid/comm") == sleep ]]
}

# add_internet makes the router: one bridge for the public servers, one for the node's provider.
add_internet() {
	local ns bridge
	ns=$(netns internet)
	add_host internet
	for bridge in servers:203.0.113.1/25 provider:198.51.100.1/24; do
		ip -n "$ns" link add "${bridge%%:*}" type bridge
		add_addresses internet "${bridge%%:*}" "${bridge#*:}"
		ip -n "$ns" link set "${bridge%%:*}" up
	done
	add_addresses internet servers $DNS_PRIMARY/25
	add_addresses internet servers $DNS_SECONDARY/25
	add_addresses internet servers $DNS_RESOLVER/25
	ip -n "$ns" route add 203.0.113.128/25 via $NODE_IP
	ip -n "$ns" route add 2001:db8:128::/64 via "$(address6 $NODE_IP)"
	in_host internet sysctl -qw net.ipv4.ip_forward=1 net.ipv4.ping_group_range="0 2147483647" net.ipv6.conf.all.forwarding=1
}

# plug HOST BRIDGE ADDRESS/LENGTH ROUTER connects a host to the internet.
plug() {
	local ns
	ns=$(netns "$1")
	ip -n "$ns" link add eth0 type veth peer name "$1" netns "$(netns internet)"
	ip -n "$(netns internet)" link set "$1" master "$2" up
	add_addresses "$1" eth0 "$3"
	ip -n "$ns" link set eth0 up
	ip -n "$ns" route add default via "$4"
	ip -n "$ns" route add default via "$(address6 "$4")"
}

# add_addresses HOST INTERFACE ADDRESS/LENGTH gives it the address and the IPv6 address that goes with it.
add_addresses() {
	ip -n "$(netns "$1")" addr add "$3" dev "$2"
	ip -n "$(netns "$1")" addr add "$(address6 "${3%/*}")/64" dev "$2" nodad
}

# hosts prints the names of all hosts, those of a half-made lab included.
hosts() { ip netns list | awk '$1 ~ /^xmppfed-/ { print substr($1, 9) }'; }
