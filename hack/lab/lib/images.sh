# shellcheck shell=bash
# Container images, made without a container daemon: a root filesystem, a config and a manifest are an
# OCI image. Server images are Debian with the server's own package.

# ejabberd is a root filesystem only: a partner runs from it, the cluster does not.
IMAGE_NAMES=(pause coredns prosody-13.0 prosody-0.12 ejabberd-24.12 operator)

build_images() {
	prerequisites
	build_tools
	go_build CoreDNS coredns "$BIN/lab/coredns" .
	build_image pause
	build_image coredns
	build_image prosody-13.0
	build_image prosody-0.12
	build_image ejabberd-24.12
}

build_image() {
	case $1 in
	pause) program_image pause 1 "$BIN/lab/pause" /pause ;;
	coredns) program_image coredns lab "$BIN/lab/coredns" /coredns ;;
	prosody-13.0) prosody_image 13.0 trixie ;;
	prosody-0.12) prosody_image 0.12 bookworm ;;
	ejabberd-24.12) root_filesystem ejabberd-24.12 trixie ejabberd ;;
	operator) operator_image ;;
	*) die "no image $1: want one of ${IMAGE_NAMES[*]}" ;;
	esac
}

image_tar() { echo "$IMAGES/$1.tar"; }

operator_image() {
	local out=$BIN/lab/operator
	mkdir -p "$BIN/lab"
	timed "built the operator" go_compile "${ROOT:?}" "$out" ./cmd/operator "-s -w"
	program_image operator dev "$out" /xmppfed-operator
}

# program_image NAME TAG FILE PATH makes an image of one static program, run as an unprivileged user.
program_image() {
	local name=$1 program=$3 path=$4 tar root
	tar=$(image_tar "$name")
	[[ $tar -nt $program ]] && return
	root=$(mktemp -d)
	chmod 755 "$root"
	install -D "$program" "$root$path"
	install -d -m 1777 "$root/tmp"
	timed "made image $name" oci_archive "$root" "localhost/xmppfed/$name:$2" "$tar" \
		"{\"Entrypoint\": [\"$path\"], \"User\": \"65532:65532\"}"
	rm -rf "$root"
}

# prosody_image VERSION SUITE keeps the root filesystem beside the image: partners and tests run from it.
prosody_image() {
	local root=$IMAGES/prosody-$1/rootfs tar
	tar=$(image_tar "prosody-$1")
	root_filesystem "prosody-$1" "$2" prosody,lua-unbound,lua-dbi-sqlite3,ca-certificates
	[[ $tar -nt $root ]] && return
	# User prosody of the package, as a number: "runAsNonRoot" can't check names.
	timed "made image prosody:$1" oci_archive "$root" "localhost/xmppfed/prosody:$1" "$tar" \
		"{\"Entrypoint\": [\"prosody\", \"-F\"], \"User\": \"$(stat -c %u:%g "$root/var/lib/prosody")\",
		  \"Env\": [\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"]}"
}

# root_filesystem NAME SUITE PACKAGES makes images/NAME/rootfs: Debian with the packages.
root_filesystem() {
	local dir=$IMAGES/$1
	[[ -e $dir/rootfs && $(cat "$dir/made-of" 2>/dev/null) == "$2 $3" ]] && return
	say "making a root filesystem: Debian $2 with ${1/-/ }"
	timed "root filesystem of ${1/-/ }" debian "$2" "$dir/rootfs" "$3"
	echo "$2 $3" >"$dir/made-of"
}

# debian SUITE ROOT PACKAGES makes a small root filesystem from the mirror this machine itself uses,
# and leaves no trace of the mirror in it.
debian() {
	local new=$2.new mirror log=${2%/*}/build.log
	# shellcheck disable=SC2016 # expanded by apt
	mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
		awk -v release="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$1 == "Debian" && $2 == release && !n++ { print $3 }')
	[[ -n $mirror ]] || die "no Debian mirror among this machine's package lists: add one, or run apt-get update"
	rm -rf "$new"
	mkdir -p "$new"
	mmdebstrap --variant=apt --include="$3" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		"$1" "$new" "$mirror" >"$log" 2>&1 9>&- || {
		tail -20 "$log" >&2
		die "making a Debian $1 root filesystem"
	}
	rm -rf "$log" "$new"/var/lib/apt/lists/* "$new"/var/cache/{apt,debconf}/* "$new"/var/log/{apt,dpkg.log,bootstrap.log} \
		"$new"/etc/apt/sources.list{,.d/*} "$new"/etc/apt/apt.conf.d/*mmdebstrap "$new"/etc/{hostname,resolv.conf}
	: >"$new/etc/resolv.conf" # a place to mount the container's own on
	rm -rf --one-file-system "$2"
	mv "$new" "$2"
}

# oci_archive ROOT NAME TAR CONFIG writes the directory ROOT as an OCI image archive of one layer.
oci_archive() {
	local root=$1 name=$2 out=$3 config=$4 layout layer manifest size
	layout=$(mktemp -d -p "$(mkdir -p "$IMAGES" && echo "$IMAGES")")
	mkdir -p "$layout/blobs/sha256"
	tar -C "$root" --numeric-owner --sort=name --one-file-system -cf "$layout/layer" .
	size=$(stat -c %s "$layout/layer")
	layer=$(blob "$layout" "$layout/layer")
	printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$(dpkg --print-architecture)" "$config" "$layer" >"$layout/config"
	manifest=$(printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' \
		"$(descriptor config.v1+json "$(stat -c %s "$layout/config")" "$(blob "$layout" "$layout/config")")" \
		"$(descriptor layer.v1.tar "$size" "$layer")")
	printf '%s' "$manifest" >"$layout/manifest"
	size=$(stat -c %s "$layout/manifest")
	cat >"$layout/index.json" <<-E
		{"schemaVersion": 2, "manifests": [{
		  "mediaType": "application/vnd.oci.image.manifest.v1+json",
		  "size": $size, "digest": "sha256:$(blob "$layout" "$layout/manifest")",
		  "annotations": {"io.containerd.image.name": "$name", "org.opencontainers.image.ref.name": "${name##*:}"}}]}
	E
	echo '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
	tar -C "$layout" -cf "$out.new" oci-layout index.json blobs
	mv "$out.new" "$out"
	rm -rf "$layout"
}

# descriptor TYPE SIZE CHECKSUM
descriptor() { printf '{"mediaType":"application/vnd.oci.image.%s","size":%s,"digest":"sha256:%s"}' "$@"; }

# blob LAYOUT FILE moves a file to where its checksum says and prints the checksum.
blob() {
	local sum
	sum=$(sha256sum "$2" | cut -d' ' -f1)
	mv "$2" "$1/blobs/sha256/$sum"
	echo "$sum"
}
