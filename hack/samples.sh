#!/usr/bin/env bash
# Applies config/samples to the lab's cluster, with what the manifests refer to: the zone's key, users, a certificate.
# Run again, it leaves users and certificate as they are. The operator is there already (make deploy).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LAB=hack/lab/lab
LAB_DIR=/var/lib/xmppfed-lab

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

platform_part
application_part
$LAB kubectl apply --server-side --force-conflicts -k config/samples
