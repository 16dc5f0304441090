#!/usr/bin/env bash
# The reference scenario from nothing: brings up the lab, installs the operator, applies config/samples, and shows
# cupdomain.com federate with gmail.com. Run by make demo, which provides $HELM; run again, it goes on from what is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LAB=hack/lab/lab

step() { printf '\n== %s\n' "$*"; }

step "The lab: a Kubernetes cluster and a small internet on this machine"
$LAB up

step "The operator, from this tree, with its Helm chart"
hack/deploy.sh

step "The manifests of config/samples, and what they refer to"
CGO_ENABLED=0 go build -o bin/demo ./hack/demo
hack/samples.sh
$LAB exec node -- bin/demo

step "To look around"
cat <<-E
	$LAB kubectl -n chat get federations
	$LAB xmppfed status cup -n chat
E
