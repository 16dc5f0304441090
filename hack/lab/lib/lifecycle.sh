# shellcheck shell=bash
# up, down, status.

up() {
	need_root
	set -o errtrace
	trap 'say "lab: ${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND: failed"' ERR
	one_at_a_time
	build
	if is_up && [[ $(<"$RUN/complete") == "$(made_of)" ]]; then
		start_what_tests_stop
		load_images
		say "the lab is up"
		return
	fi
	[[ ! -e $LAB_DIR && -z $(hosts) ]] || timed "removed a lab that was broken or made of something else" remove_all
	timed "the lab is up, after" make_all
	say "try: hack/lab/lab kubectl get pods -A"
}

# is_up: the last step was reached, every daemon is still alive and the API answers.
is_up() {
	local name
	[[ -e $RUN/complete ]] || return 1
	for name in $(daemons) $(hosts | sed 's/^/host-/'); do alive "$name" || return 1; done
	api_ready && node_ready
} 2>/dev/null

# made_of prints a checksum of what only a new lab can take over: programs, root filesystems, scripts, manifests.
made_of() {
	cat "$KUBE_BIN"/*.sum "$BIN"/lab/{coredns,googletalk}.sum "$IMAGES"/*/made-of "$LAB_SRC"/{lib,partners,manifests}/* | sha256sum
}

# start_what_tests_stop brings back what a test that broke off may have left stopped or faulty.
start_what_tests_stop() {
	start_dns primary
	start_dns secondary
	heal_partners
}

make_all() {
	local partners_made
	mkdir -p "$RUN" "$LOGS"
	chmod 755 "$LAB_DIR"
	prepare_machine
	timed "  certificates" make_pki
	timed "  the internet" make_internet
	add_partners &
	partners_made=$!
	timed "  host node" make_node
	timed "  control plane" start_control_plane
	timed "  images" load_images
	timed "  node ready" start_node
	timed "  partners, beside all that" wait "$partners_made"
	timed "  cluster DNS" add_addons
	made_of >"$RUN/complete"
}

make_internet() {
	add_internet
	make_dns
	start_dns primary
	start_dns secondary
	start_dns resolver
}

make_node() {
	add_node
	make_cluster_config
	start_containerd
}

down() {
	need_root
	one_at_a_time
	timed "the lab is down, after" remove_all
}

# remove_all ends and removes everything, whatever state the lab is in. kubelet goes first, or it would
# start pods again; then the pods while there is a container runtime to ask; then the rest.
remove_all() {
	stop_within 2 kubelet # whatever it would still write is about to be removed
	if alive containerd && [[ -x $KUBE_BIN/lab-cri ]]; then
		in_host node "$KUBE_BIN/lab-cri" --socket "$CONTAINERD_SOCK" || say "some pods did not end properly"
	fi
	# shellcheck disable=SC2046 # one argument for each daemon
	stop_within 2 $(daemons)
	end_strays
	remove_hosts
	remove_cgroups
	restore_machine
	rm -rf --one-file-system "$LAB_DIR"
	rmdir /var/lib/cni /var/lib/kubelet 2>/dev/null || true
}

# end_strays kills what is still in the lab's cgroup (containers) or in the network of one of its hosts
# (their shims, daemons whose pid file is lost, commands started by "lab exec", and what holds the host).
end_strays() {
	local host
	strays | sort -u | xargs -r kill -KILL 2>/dev/null || true
	for host in $(hosts); do await 10 "the processes of host $host to end" host_is_empty "$host"; done
}

strays() {
	local top host
	while read -r top; do
		find "$top/$CGROUP" -name cgroup.procs -exec cat {} + 2>/dev/null || true
	done < <(cgroup_tops)
	for host in $(hosts); do ip netns pids "$(netns "$host")"; done
}

host_is_empty() { [[ -z $(ip netns pids "$(netns "$1")") ]]; }

remove_hosts() {
	local host
	for host in $(hosts); do ip netns del "$(netns "$host")"; done
}

remove_cgroups() {
	local top
	while read -r top; do
		[[ ! -d $top/$CGROUP ]] || await 10 "cgroup $top/$CGROUP to empty" remove_cgroup "$top/$CGROUP"
	done < <(cgroup_tops)
}

remove_cgroup() { find "$1" -depth -type d -exec rmdir {} +; }

status() {
	local name
	[[ -e $LAB_DIR ]] || die "the lab is down: run hack/lab/lab up"
	for name in $(hosts | sed 's/^/host-/') $(daemons); do
		if alive "$name"; then printf '%-26s running\n' "$name"; else printf '%-26s ENDED, see %s\n' "$name" "$LOGS/$name.log"; fi
	done
	kubectl get nodes,pods,services -A
	[[ -e $RUN/complete ]] || die "the lab is only half up: run hack/lab/lab up"
}
