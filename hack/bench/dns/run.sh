#!/usr/bin/env bash
# Builds what the benchmark compares, and runs it, for make bench-dns. QUICK=1 measures less; OUT is the directory for raw
# data, chart and page; DOCS=1 puts them into the documentation.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

hack/lab/lab build kube externaldns
version() { awk -v module="$1" '$1 == module { print $2; exit }' "$2"; }
kube=$(version k8s.io/kubernetes hack/lab/kube/go.mod)
KUBEBUILDER_ASSETS=$PWD/bin/kube-${kube#v}
export KUBEBUILDER_ASSETS
module=$(cd hack/lab/externaldns && go list -m -f '{{.Dir}}' sigs.k8s.io/external-dns)
version=$(cd hack/lab/externaldns && go list -m -f '{{.Version}}' sigs.k8s.io/external-dns)
go build -o bin/bench-dns-program ./hack/bench/dns
out=${OUT:-bin/bench-dns}
rm -f "$out/dns-results.json"
result=0
bin/bench-dns-program ${QUICK:+-quick} -out "$out" -crd "$module/config/crd/standard" -external-dns-version "$version" &
program=$!
trap 'kill -TERM "$program"' INT TERM HUP
wait "$program" || result=$?
while kill -0 "$program" 2>/dev/null; do # a signal ended the waiting
	wait "$program" || result=$?
done
if [[ ${DOCS-} == 1 && -e $out/dns-results.json ]]; then
	cp "$out/dns-results.json" "$out/dns.md" docs/benchmarks/
	cp "$out/dns-benchmark.svg" docs/images/
fi
exit $result
