# shellcheck shell=bash
# What the lab changes on the machine itself: noted before it is changed, undone afterwards.

# Named after the boot, because a reboot undoes all of it.
MACHINE=$LAB_DIR/machine-$(</proc/sys/kernel/random/boot_id)
# What kubelet sets has effect outside of its namespaces too: the machine would reboot on an oops.
SYSCTLS=(vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys
	kernel.keys.root_maxbytes)

# prepare_machine notes how the machine is and provides what the kernel does not load by itself.
prepare_machine() {
	mkdir -p "$MACHINE"
	sysctl -e "${SYSCTLS[@]}" >"$MACHINE/sysctls"
	# The first network namespace that gets a name makes "ip" mount this directory on itself.
	mountpoint -q /run/netns || touch "$MACHINE/netns-unmounted"
	load_modules
	enable_controllers
}

# load_modules: the cluster's Services need br_netfilter. It would also hand what passes the machine's own bridges to the
# machine's firewall, so that is turned off.
load_modules() {
	grep -qw overlay /proc/filesystems || modprobe overlay || die "no overlay file system: load the kernel module overlay"
	[[ ! -e /proc/sys/net/bridge ]] || return 0
	modprobe br_netfilter || die "no firewall on bridges: load the kernel module br_netfilter"
	sysctl -qw net.bridge.bridge-nf-call-{iptables,ip6tables,arptables}=0
}

# enable_controllers lets control groups below the topmost use what kubelet demands. With version 1 they can anyway.
enable_controllers() {
	local top=/sys/fs/cgroup controller
	[[ -e $top/cgroup.controllers ]] || return 0
	for controller in cpu cpuset memory hugetlb pids; do
		grep -qw "$controller" "$top/cgroup.controllers" || continue
		grep -qw "$controller" "$top/cgroup.subtree_control" && continue
		echo "$controller" >>"$MACHINE/controllers"
		echo "+$controller" >"$top/cgroup.subtree_control"
	done
}

# restore_machine undoes it. Modules stay loaded: somebody else may use them by now.
restore_machine() {
	local controller
	[[ -d $MACHINE ]] || return 0
	if [[ -e $MACHINE/sysctls ]]; then sysctl -qp "$MACHINE/sysctls"; fi
	if [[ -e $MACHINE/controllers ]]; then
		while read -r controller; do # refused while another group uses it
			echo "-$controller" >/sys/fs/cgroup/cgroup.subtree_control || true
		done <"$MACHINE/controllers" 2>/dev/null
	fi
	if [[ -e $MACHINE/netns-unmounted ]]; then unmount_netns; fi
	rm -r "$MACHINE"
}

# unmount_netns leaves the mount to those who made network namespaces meanwhile, if anybody did.
unmount_netns() {
	mountpoint -q /run/netns && [[ -z $(ls -A /run/netns) ]] || return 0
	umount /run/netns
	rmdir /run/netns
}

# leftovers prints what of the lab is on the machine; it is an error if there is anything.
leftovers() {
	local left
	need_root
	left=$(processes_left && hosts_left && mounts_left && addresses_left && cgroups_left && settings_left && files_left)
	if [[ -z $left ]]; then
		say "nothing of the lab is left on this machine"
	else
		printf '%s\n' "$left"
		exit 1
	fi
}

# processes_left also finds those that strays does not, by their mounts: each host has /etc/resolv.conf, and each
# container its root, from the lab.
processes_left() {
	local pid args
	{
		strays
		grep -lsF /xmppfed-lab/ /proc/[0-9]*/mountinfo | cut -d/ -f3 | while read -r pid; do
			[[ /proc/$pid/ns/mnt -ef /proc/self/ns/mnt ]] || echo "$pid"
		done || true
	} | sort -nu | while read -r pid; do
		if args=$(ps -o args= -p "$pid"); then echo "process $pid: $args"; fi
	done
}

hosts_left() { hosts | sed 's/^/network namespace xmppfed-/'; }

mounts_left() {
	awk '/\/xmppfed-lab\// { print "mount " $5 }' /proc/self/mountinfo
	[[ ! -e $MACHINE/netns-unmounted ]] || ! mountpoint -q /run/netns || echo "mount /run/netns"
}

addresses_left() {
	{ ip -o address && ip -4 route show table all && ip -6 route show table all; } |
		awk '/[ \/](203\.0\.113\.|198\.51\.100\.|2001:db8:(100|113|128):|fd00:10:(96|244):)/ { print "address or route " $0 }'
}

cgroups_left() {
	local top
	while read -r top; do
		[[ ! -d $top/$CGROUP ]] || echo "control group $top/$CGROUP"
	done < <(cgroup_tops)
}

settings_left() {
	[[ -e $MACHINE/sysctls ]] || return 0
	sysctl -e "${SYSCTLS[@]}" | grep -vxFf "$MACHINE/sysctls" | sed 's/^/changed setting /' || true
	sed 's/^/control group controller /' "$MACHINE/controllers" 2>/dev/null || true
}

files_left() { [[ ! -e $LAB_DIR ]] || echo "files in $LAB_DIR"; }
