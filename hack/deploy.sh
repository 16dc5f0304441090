#!/usr/bin/env bash
# Builds the operator's image from this tree and installs it, with the chart, in the lab's cluster. Called by make deploy,
# which provides $HELM. The namespace enforces the restricted Pod Security standard, so that a pod that breaks it can't run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

: "${HELM:?is the path of Helm, run make deploy}"
LAB=hack/lab/lab
NAMESPACE=xmppfed-system

$LAB image operator
$LAB kubectl apply --server-side -f config/manager/namespace.yaml

# The tag never changes, so the checksum is what tells Kubernetes that there is another binary to run.
$LAB exec node -- env KUBECONFIG=/var/lib/xmppfed-lab/admin.kubeconfig \
	"$HELM" upgrade --install xmppfed charts/xmppfed --namespace $NAMESPACE --values config/lab/values.yaml \
	--set-string "podAnnotations.xmppfed\.io/build=$(sha256sum bin/lab/operator | cut -c1-16)" \
	--wait --timeout 2m
