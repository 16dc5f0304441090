# shellcheck shell=bash
# The cluster: a control plane and one node, all in host "node".

NODE=$LAB_DIR/node
CLUSTER=$LAB_DIR/cluster
CGROUP=xmppfed-lab
# In the node's own /run: no other containerd has this path, so that its shims are recognised by it.
CONTAINERD_SOCK=/run/xmppfed-lab/containerd.sock

add_node() {
	mkdir -p "$NODE"/{log,cni,kubelet,containerd,volumes,cni-addresses,volume-plugins} /var/lib/cni /var/lib/kubelet
	add_host node node_mounts
	plug node provider "$NODE_IP/24" 198.51.100.1
	in_host node sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.bridge.bridge-nf-call-{iptables,ip6tables}=1
	# What kube-proxy does not claim of the pool has no host behind it: say so, or it would go round in circles.
	in_host node sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0 \
		net.ipv6.icmp.ratelimit=0
	in_host node nft 'table inet lab { chain forward { type filter hook forward priority 0;
		ip daddr 203.0.113.128/25 reject with icmp host-unreachable
		ip6 daddr 2001:db8:128::/64 reject with icmpv6 addr-unreachable; }; }'
	add_cgroups
}

# node_mounts runs in the node's mount namespace, where programs with fixed paths get directories of the lab.
node_mounts() {
	local resolv_conf
	resolv_conf=$(readlink -f /etc/resolv.conf)
	mount -t tmpfs tmpfs /run
	# Where the machine's is a link into /run, the host's own, mounted there, is now hidden.
	[[ $resolv_conf != /run/* ]] || install -D -m 644 "$LAB_DIR/hosts/node/resolv.conf" "$resolv_conf"
	mkdir /run/netns /run/xmppfed-lab
	mount --bind "$NODE/log" /var/log
	mount --bind "$NODE/cni" /var/lib/cni
	mount --bind "$NODE/kubelet" /var/lib/kubelet
	mount --make-rshared / # as on any node: pods may ask for mount propagation
}
export -f node_mounts
export NODE LAB_DIR

# add_cgroups makes a parent for everything that kubelet makes. cpuset must be filled in before it can be used.
add_cgroups() {
	local file top
	while read -r top; do
		mkdir -p "$top/$CGROUP"
		for file in cpuset.cpus cpuset.mems; do
			[[ ! -e $top/$file ]] || cat "$top/$file" >"$top/$CGROUP/$file"
		done
	done < <(cgroup_tops)
}

# cgroup_tops prints where controllers are mounted: one place with cgroup v2, several with v1.
cgroup_tops() { awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/mounts; }

make_cluster_config() {
	mkdir -p "$CLUSTER/cni"
	credential admin admin system:masters
	credential cloud lab-cloud system:masters
	credential controllers system:kube-controller-manager
	credential scheduler system:kube-scheduler
	credential proxy system:kube-proxy
	credential kubelet system:node:node system:nodes
	cp "$CLUSTER/admin.kubeconfig" "$LAB_DIR/admin.kubeconfig"
	audit_policy >"$CLUSTER/audit.yaml"
	containerd_config >"$CLUSTER/containerd.toml"
	cni_config >"$CLUSTER/cni/10-lab.conflist"
	kubelet_config >"$CLUSTER/kubelet.yaml"
	proxy_config >"$CLUSTER/proxy.yaml"
}

# credential NAME USER [GROUP] makes a token for USER and NAME.kubeconfig with it.
credential() {
	local token
	token=$(openssl rand -hex 16)
	echo "$token,$2,$1${3:+,$3}" >>"$CLUSTER/tokens.csv"
	cat >"$CLUSTER/$1.kubeconfig" <<-E
		apiVersion: v1
		kind: Config
		clusters: [{name: lab, cluster: {server: "https://$NODE_IP:6443", certificate-authority-data: $(base64 -w0 "$PKI/cluster-ca.crt")}}]
		users: [{name: $1, user: {token: $token}}]
		contexts: [{name: lab, context: {cluster: lab, user: $1}}]
		current-context: lab
	E
}

# Every write is recorded, so that tests can count writes at rest.
audit_policy() {
	cat <<-E
		apiVersion: audit.k8s.io/v1
		kind: Policy
		omitStages: [RequestReceived]
		rules:
		- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
		- {level: None}
	E
}

# restrict_oom_score_adj: runc cannot lower the score without CAP_SYS_RESOURCE, which sandboxes lack.
# disable_apparmor: a profile would stay in the machine's kernel.
containerd_config() {
	cat <<-E
		version = 2
		root = "$NODE/containerd"
		state = "/run/xmppfed-lab/containerd"
		[grpc]
		  address = "$CONTAINERD_SOCK"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/xmppfed/pause:1"
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$CLUSTER/cni"
	E
}

cni_config() {
	cat <<-E
		{"cniVersion": "1.0.0", "name": "lab", "plugins": [
		  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
		   "ipam": {"type": "host-local", "dataDir": "$NODE/cni-addresses",
		            "ranges": [[{"subnet": "10.244.0.0/24"}], [{"subnet": "fd00:10:244::/64"}]],
		            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	E
}

# A container that dies is started again after one second at most, however often it dies: tests kill some.
kubelet_config() {
	cat <<-E
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		failCgroupV1: false
		cgroupDriver: cgroupfs
		cgroupRoot: /$CGROUP
		enforceNodeAllocatable: [pods]
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		containerRuntimeEndpoint: unix://$CONTAINERD_SOCK
		clusterDNS: [10.96.0.10]
		clusterDomain: cluster.local
		resolvConf: $LAB_DIR/hosts/node/resolv.conf
		failSwapOn: false
		evictionHard: {memory.available: 100Mi}
		imageGCHighThresholdPercent: 100
		podLogsDir: $LOGS/pods
		volumePluginDir: $NODE/volume-plugins
		crashLoopBackOff: {maxContainerRestartPeriod: 1s}
	E
}

proxy_config() {
	cat <<-E
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		mode: iptables
		iptables: {minSyncPeriod: 100ms}
		clusterCIDR: 10.244.0.0/16,fd00:10:244::/56
		clientConnection: {kubeconfig: $CLUSTER/proxy.kubeconfig}
		hostnameOverride: node
		conntrack: {maxPerCore: 0}
	E
}

start_control_plane() {
	start etcd node "$KUBE_BIN/etcd" --data-dir "$CLUSTER/etcd" --unsafe-no-fsync --log-level warn \
		--listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380
	start kube-apiserver node "$KUBE_BIN/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
		--advertise-address "$NODE_IP" --secure-port 6443 --service-cluster-ip-range 10.96.0.0/16,fd00:10:96::/112 \
		--tls-cert-file "$PKI/apiserver/tls.crt" --tls-private-key-file "$PKI/apiserver/tls.key" \
		--token-auth-file "$CLUSTER/tokens.csv" --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
		--service-account-key-file "$PKI/service-accounts.pub" --service-account-signing-key-file "$PKI/service-accounts.key" \
		--service-account-issuer https://kubernetes.default.svc --allow-privileged \
		--kubelet-preferred-address-types InternalIP \
		--audit-policy-file "$CLUSTER/audit.yaml" --audit-log-path "$LOGS/audit.log" --audit-log-maxsize 1000
	await 60 "the API server" api_ready
	start kube-controller-manager node "$KUBE_BIN/kube-controller-manager" --kubeconfig "$CLUSTER/controllers.kubeconfig" \
		--service-account-private-key-file "$PKI/service-accounts.key" --use-service-account-credentials \
		--root-ca-file "$PKI/cluster-ca.crt" --cluster-cidr 10.244.0.0/16,fd00:10:244::/56 --allocate-node-cidrs --leader-elect=false \
		--flex-volume-plugin-dir "$NODE/volume-plugins"
	start kube-scheduler node "$KUBE_BIN/kube-scheduler" --kubeconfig "$CLUSTER/scheduler.kubeconfig" --leader-elect=false
	start lab-cloud node "$KUBE_BIN/lab-cloud" --kubeconfig "$CLUSTER/cloud.kubeconfig" --pool 203.0.113.128-203.0.113.254 \
		--pool 2001:db8:128::1-2001:db8:128::ffff --state "$CLUSTER/addresses" --socket "$RUN/cloud.sock" --volumes "$NODE/volumes"
}

start_node() {
	start kubelet node "$KUBE_BIN/kubelet" --config "$CLUSTER/kubelet.yaml" --kubeconfig "$CLUSTER/kubelet.kubeconfig" \
		--root-dir /var/lib/kubelet --hostname-override node --node-ip "$NODE_IP,$(address6 "$NODE_IP")"
	start kube-proxy node "$KUBE_BIN/kube-proxy" --config "$CLUSTER/proxy.yaml"
	await 60 "the node" node_ready
}

start_containerd() {
	start containerd node containerd -c "$CLUSTER/containerd.toml"
	await 20 containerd containerd_ctr version
}

kubectl() { in_host node "$KUBE_BIN/kubectl" --kubeconfig "$LAB_DIR/admin.kubeconfig" "$@"; }

xmppfed() {
	(cd "$ROOT" && CGO_ENABLED=0 go build -o bin/lab/ ./cmd/kubectl-xmppfed)
	in_host node env KUBECONFIG="$LAB_DIR/admin.kubeconfig" "$BIN/lab/kubectl-xmppfed" "$@"
}

containerd_ctr() { in_host node ctr --address "$CONTAINERD_SOCK" --namespace k8s.io "$@"; }

api_ready() { kubectl get --raw /readyz | grep -qx ok; }

node_ready() { kubectl get node node -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' | grep -qx True; }

# load TAR… imports images; a tag that exists moves to the new image.
load() {
	local tar
	mkdir -p "$RUN/images"
	for tar; do
		containerd_ctr images import "$tar" >/dev/null
		which_file "$tar" >"$RUN/images/${tar##*/}"
	done
}

# load_images imports those that are not what was imported last.
load_images() {
	local tar
	for tar in "$IMAGES"/*.tar; do
		[[ $(cat "$RUN/images/${tar##*/}" 2>/dev/null) == "$(which_file "$tar")" ]] || load "$tar"
	done
}

which_file() { stat -c '%n %y' "$1"; }

add_addons() {
	kubectl apply --server-side -f "$LAB_SRC/manifests" >/dev/null
	kubectl -n kube-system rollout status deployment/coredns --timeout 60s >/dev/null
}

# cloud readdress NAMESPACE/SERVICE makes the cloud give a Service another public address; prints it.
cloud() {
	[[ ${1-} == readdress && ${2-} == */* ]] || die "want: cloud readdress NAMESPACE/SERVICE"
	curl --silent --show-error --fail-with-body --unix-socket "$RUN/cloud.sock" -X POST "http://cloud/readdress/$2"
}

# kill_operator ends the operator's processes the hard way, as a node out of memory does.
kill_operator() {
	local ids pids
	ids=$(containerd_ctr containers ls -q 'labels."io.kubernetes.pod.namespace"==xmppfed-system,image~=xmppfed/operator')
	pids=$(containerd_ctr tasks ls | awk -v ids="$ids" '
		BEGIN { split(ids, list, "\n"); for (i in list) wanted[list[i]] }
		$1 in wanted && $3 == "RUNNING" { print $2 }')
	[[ -n $pids ]] || die "no operator is running in namespace xmppfed-system"
	# shellcheck disable=SC2086 # one argument for each process
	kill -KILL $pids
	echo "$pids"
}

# signal_kubelet halt|resume has the kubelet do nothing, or go on.
signal_kubelet() {
	local pid
	pid=$(pid_of kubelet) || die "no kubelet is running"
	case ${1-} in
	halt) kill -STOP "$pid" ;;
	resume) kill -CONT "$pid" ;;
	*) usage ;;
	esac
}
