# shellcheck shell=bash
# Programs, built from Go modules into bin/. Each is built again only when its module changed.

# build [WHAT…] builds everything that the lab is made of, or only: kube, coredns, tools, images; or externaldns, which is
# no part of it, but which the DNS tests and make bench-dns run.
build() {
	local what
	prerequisites
	for what in "${@:-all}"; do
		case $what in
		all) build kube coredns tools images ;;
		kube) build_kube ;;
		coredns) go_build CoreDNS coredns "$BIN/lab/coredns" . ;;
		externaldns) build_externaldns ;;
		tools) build_tools ;;
		images) build_images ;;
		*) die "cannot build $what: want kube, coredns, externaldns, tools or images" ;;
		esac
	done
}

# build_kube fills a directory that also serves as KUBEBUILDER_ASSETS of controller-runtime's envtest.
build_kube() {
	local v=k8s.io/component-base/version name
	local minor=${KUBE_VERSION#*.}
	go_build etcd etcd "$KUBE_BIN/etcd" go.etcd.io/etcd/server/v3
	go_build "Kubernetes $KUBE_VERSION (9 minutes the first time)" kube "$KUBE_BIN/kube" . \
		"-X $v.gitVersion=v$KUBE_VERSION -X $v.gitMajor=${KUBE_VERSION%%.*} -X $v.gitMinor=${minor%%.*} -X $v.gitTreeState=clean"
	for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl lab-cloud lab-cri; do
		ln -sfn kube "$KUBE_BIN/$name"
	done
}

build_externaldns() {
	go_build "ExternalDNS (10 minutes the first time)" externaldns "$BIN/lab/external-dns" sigs.k8s.io/external-dns
}

build_tools() {
	go_build pause . "$BIN/lab/pause" ./pause
	go_build chat . "$BIN/lab/chat" ./chat
	go_build googletalk . "$BIN/lab/googletalk" ./googletalk
}

# go_build LABEL MODULE OUT PACKAGE [LDFLAGS] builds one program. OUT appears whole or not at all.
go_build() {
	local label=$1 module=$LAB_SRC/$2 out=$3 package=$4 ldflags="-s -w ${5-}" sum
	sum=$(module_sum "$module" "$package")
	[[ -x $out && $(cat "$out.sum" 2>/dev/null) == "$sum" ]] && return
	mkdir -p "${out%/*}"
	say "building $label"
	timed "built ${out##*/}" go_compile "$module" "$out.new" "$package" "$ldflags"
	mv "$out.new" "$out"
	echo "$sum" >"$out.sum"
}

go_compile() { (cd "$1" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$4" -o "$2" "$3" 9>&-); }

# module_sum MODULE PACKAGE prints a checksum of what the package is built from: its module's requirements, and
# its files if it is a directory of the module.
module_sum() {
	(
		cd "$1" || exit
		[[ $2 == .* ]] || set -- "$1" go.mod
		find go.mod go.sum "$2" \( -name '*.go' ! -name '*_test.go' -o -name 'go.*' \) -print0 | sort -zu | xargs -0 sha256sum
	) | sha256sum | cut -d' ' -f1
}
