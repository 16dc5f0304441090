#!/usr/bin/env bash
# test.sh unit|envtest|integration|e2e|all runs tests. Which phase a test belongs to, its build tag says: none, envtest,
# integration, e2e. In every phase a test that lacks a prerequisite is skipped and named at the end; with CI=true it fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LAB=hack/lab/lab
TESTSUM=$PWD/bin/testsum
PHASES=(unit envtest integration e2e)

unit() {
	go_test ./...
	(cd hack/lab && go_test ./...)
}

# envtest also runs the tests of the lab's cloud: they compile, with the same flags, what the API server was built from.
envtest() {
	$LAB build kube
	KUBEBUILDER_ASSETS=$(kube_dir) && export KUBEBUILDER_ASSETS
	mapfile -t packages < <(packages_with envtest)
	go_test -tags envtest "${packages[@]}"
	# Not vetted here: that would first analyse all of Kubernetes, and lint vets too.
	(cd hack/lab/kube && CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false' go_test -vet=off ./cloud/...)
}

# integration runs real servers, among them ExternalDNS, and for that an API server.
integration() {
	$LAB build kube images externaldns
	KUBEBUILDER_ASSETS=$(kube_dir) && export KUBEBUILDER_ASSETS
	mapfile -t packages < <(packages_with integration)
	go_test -tags integration -timeout 20m "${packages[@]}"
}

# e2e brings the lab and the operator in it to the state of this tree, then runs the tests on the cluster's node, verbosely:
# they take minutes, and some print tables. With RUN they come after the conformance suite of the DNS providers, if that is
# named as well: it needs no lab, so by itself it is an integration test.
e2e() {
	local suite=TestDNSConformance
	[[ ${RUN-} == *"$suite"* ]] || has_test "${RUN:-.}"
	$LAB build externaldns
	if [[ -n ${RUN-} ]] && grep -qP -- "${RUN%%/*}" <<<"$suite"; then
		go_test -count=1 -tags integration -timeout 20m ./internal/dns/conformance
		[[ $RUN != *"$suite"* ]] || return 0
	fi
	KUBEBUILDER_ASSETS=$(kube_dir) && export KUBEBUILDER_ASSETS
	$LAB up
	hack/deploy.sh
	go test -v -count=1 -tags e2e -timeout 60m -exec "'$PWD/$LAB' exec node --" -run "${RUN:-.}" ./hack/e2e
}

# has_test REGEXP ends with an error when no lab test has such a name: go test would be content with none.
has_test() {
	local names
	names=$(grep -hoP '^func \KTest\w+(?=\(t )' hack/e2e/*_test.go)
	grep -qP -- "${1%%/*}" <<<"$names" || {
		echo "RUN=$1 is the name of no test in hack/e2e" >&2
		exit 2
	}
}

# go_test prints a line per package, the whole output of failed tests and the reasons of skipped ones.
go_test() { go test -json "$@" | "$TESTSUM"; }

kube_dir() { awk -v pwd="$PWD" '$1 == "k8s.io/kubernetes" { print pwd "/bin/kube-" substr($2, 2); exit }' hack/lab/kube/go.mod; }

# packages_with TAG prints the packages that have tests with this build tag.
packages_with() {
	local found
	found=$(grep -rlE --include='*_test.go' --exclude-dir=lab "^//go:build .*\b$1\b" api cmd controllers internal hack)
	xargs -n1 dirname <<<"$found" | sort -u | sed 's|^|./|'
}

needs_root() { [[ $1 == integration || $1 == e2e ]]; }

# all runs every phase, whatever happened to those before. It ends with the result of each package and lab test once more,
# where it is not hidden among other output, and of each phase.
all() {
	local phase began result summary=() failed=0 log=bin/test.log
	: >"$log"
	for phase in "${PHASES[@]}"; do
		printf '\n=== %s\n' "$phase"
		began=$SECONDS
		if needs_root "$phase" && ((EUID != 0)); then
			result="skipped: needs root (namespaces, mounts, real servers)"
			[[ ${CI-} != true ]] || { result="FAILED: needs root" && failed=1; }
		elif "${BASH_SOURCE[0]}" "$phase" 2>&1 | tee -a "$log"; then
			result=passed
		else
			result=FAILED failed=1
		fi
		summary+=("$(printf '%-12s %5d s  %s' "$phase" $((SECONDS - began)) "$result")")
	done
	printf '\n=== summary\n'
	grep -E '^(ok|FAIL|SKIP|--- |      [a-z.]+/|[0-9]+ tests )' "$log" || true
	printf '%s\n' "${summary[@]}"
	return $failed
}

go build -o "$TESTSUM" ./hack/tools/testsum
case ${1-} in
unit | envtest | integration | e2e | all) "$1" ;;
*) echo "want: test.sh unit|envtest|integration|e2e|all" >&2 && exit 2 ;;
esac
