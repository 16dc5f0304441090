#!/usr/bin/env bash
# The reference scenario from nothing: brings up the lab, installs the operator, applies config/samples, and shows
# cupdomain.com federate with gmail.com. Run by make demo, which provides $HELM; run again, it goes on from what is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LAB=hack/lab/lab
LAB_DIR=/var/lib/xmppfed-lab

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# apply applies what it reads.
apply() { $LAB kubectl apply --server-side --force-conflicts -f -; }

exists() { $LAB kubectl get "$@" >/dev/null 2>&1; }

# platform_part does what the platform team does: the namespace, and the key of the zone.
platform_part() {
	$LAB kubectl create namespace chat --dry-run=client -o yaml | apply
	$LAB kubectl -n xmppfed-system create secret generic fed-tsig --dry-run=client -o yaml \
		--from-literal="secret=$(<"$LAB_DIR/dns/keys/fed-key.secret")" | apply
}

# application_part does what the application team does: users, and a certificate from the CA that everybody trusts.
application_part() {
	local dir
	exists -n chat secret cup-accounts ||
		$LAB kubectl -n chat create secret generic cup-accounts "--from-literal=cupuser1=$(openssl rand -hex 12)"
	if ! exists -n chat secret cup-tls; then
		dir=$(mktemp -d)
		$LAB cert "$dir" cupdomain.com conference.cupdomain.com
		$LAB kubectl -n chat create secret tls cup-tls --cert="$dir/tls.crt" --key="$dir/tls.key"
		rm -r "$dir"
	fi
	$LAB kubectl -n chat create configmap lab-roots --dry-run=client -o yaml "--from-file=ca.crt=$LAB_DIR/pki/ca.crt" | apply
}

step "The lab: a Kubernetes cluster and a small internet on this machine"
$LAB up

step "The operator, from this tree, with its Helm chart"
hack/deploy.sh

step "What config/samples refer to: the zone's key, users, a certificate"
platform_part
application_part

step "The two manifests of config/samples"
$LAB kubectl apply --server-side -k config/samples

mkdir -p bin
CGO_ENABLED=0 go build -o bin/demo ./hack/demo
exec $LAB exec node -- bin/demo
