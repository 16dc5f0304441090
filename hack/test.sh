#!/usr/bin/env bash
# test.sh unit|envtest|integration|e2e|all|soak runs tests. Which phase a test belongs to, its build tag says: none, envtest,
# integration, e2e. In every phase a test that lacks a prerequisite is skipped and named at the end; with CI=true it fails.
# RUN=regexp runs the tests whose names match, and builds only what those need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LAB=hack/lab/lab
TESTSUM=$PWD/bin/testsum
TIMES=$PWD/bin/test-times.tsv # a line per test: seconds, phase, result, package, name
TIMEOUT=${TIMEOUT:-60m}
# The flags with which the lab builds Kubernetes, so that nothing of it is compiled twice.
KUBE_FLAGS=(CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false')
SLOWEST=15
# The package whose tests take longest, one after the other. They run in as many parts side by side, each in a network namespace of its
# own.
LONGEST=./internal/engine/prosody
PARTS=2
# Integration tests that show the same as lab tests do: name, package, and which tests of the package belong to it, else all. They
# need no lab.
WITHOUT_LAB=(
	"TestDNSConformance ./internal/dns/conformance"
	"TestHostileAttacks ./internal/engine/prosody TestHostile(Attacks|Refused)"
)

unit() {
	go_test unit ./...
	(cd hack/lab && go_test unit ./...)
}

# envtest also runs the tests of the lab's cloud: they compile what the API server was built from.
envtest() {
	select_packages envtest
	build kube
	go_test envtest -tags envtest -timeout "$TIMEOUT" "${packages[@]}"
	[[ -n ${RUN-} ]] || cloud_tests
}

# cloud_tests are not vetted here: that would first analyse all of Kubernetes, and lint vets too.
cloud_tests() { (cd hack/lab/kube && env "${KUBE_FLAGS[@]}" go test -json -vet=off ./cloud/... | "$TESTSUM" -times "$TIMES" -phase envtest); }

# integration runs real servers.
integration() {
	select_packages integration
	mapfile -t needed < <(needed_by "${packages[@]}")
	build "${needed[@]}"
	go_test integration -tags integration -timeout "$TIMEOUT" "${packages[@]}"
}

# quick runs the tests of unit, envtest and integration at once: packages are compiled once, and each waits while others work.
quick() {
	local tests part pid running=() failed=0 flags=(-tags "envtest,integration" -timeout "$TIMEOUT")
	build kube images externaldns
	tests=$(go test "${flags[@]}" -list '^(Test|Fuzz|Example)' "$LONGEST" | grep -v '^ok')
	for ((part = 0; part < PARTS; part++)); do
		RUN=$(every_nth $part <<<"$tests") go_test quick "${flags[@]}" "$LONGEST" &
		running+=($!)
	done
	mapfile -t packages < <(go list "${flags[@]:0:2}" ./... | grep -vx "$(go list "$LONGEST")")
	go_test quick -p 4 "${flags[@]}" "${packages[@]}" &
	running+=($!)
	for pid in "${running[@]}"; do
		wait "$pid" || failed=1
	done
	(cd hack/lab && go_test quick ./...) || failed=1
	cloud_tests || failed=1
	return $failed
}

# every_nth N reads names of tests, and prints what selects those whose line number leaves N when divided by PARTS.
every_nth() { awk -v part="$1" -v parts=$PARTS 'NR % parts == part { names = names (names ? "|" : "") $0 } END { print "^(" names ")$" }'; }

# e2e brings the lab and the operator in it to the state of this tree, then runs the tests on the cluster's node. With RUN they
# come after those of WITHOUT_LAB that it selects, or not at all if it is the name of one.
e2e() {
	local suite name package tests alone=
	for suite in "${WITHOUT_LAB[@]}"; do
		read -r name package tests <<<"$suite"
		if [[ -n ${RUN-} ]] && grep -qP -- "${RUN%%/*}" <<<"$name"; then
			RUN=$tests go_test_in integration "$package"
			[[ $RUN != *"$name"* ]] || alone=yes
		fi
	done
	[[ -z $alone ]] || return 0
	mapfile -t files < <(files_with e2e)
	((${#files[@]})) || no_such_test e2e
	mapfile -t needed < <(needed_by "${files[@]}")
	build "${needed[@]}"
	$LAB up
	hack/deploy.sh
	# Verbosely: they take minutes, and some print tables.
	go test -json -v -count=1 -tags e2e -timeout "$TIMEOUT" -exec "'$PWD/$LAB' exec node --" -run "${RUN:-.}" ./hack/e2e |
		"$TESTSUM" -v -times "$TIMES" -phase e2e
}

# go_test_in TAG PACKAGE… runs the tests with this tag in packages, and builds what they need. Verbosely, for the tables they print.
go_test_in() {
	mapfile -t needed < <(needed_by "${@:2}")
	build "${needed[@]}"
	go test -json -v -count=1 -tags "$1" -timeout "$TIMEOUT" ${RUN:+-run "$RUN"} "${@:2}" | "$TESTSUM" -v -times "$TIMES" -phase "$1"
}

# go_test PHASE ARGS… prints a line per package, the whole output of failed tests and the reasons of skipped ones.
go_test() { go test -json ${RUN:+-run "$RUN"} "${@:2}" | "$TESTSUM" -times "$TIMES" -phase "$1"; }

# build WHAT… builds parts of the lab.
build() {
	(($#)) || return 0
	$LAB build "$@"
}

kube_dir() { awk -v pwd="$PWD" '$1 == "k8s.io/kubernetes" { print pwd "/bin/kube-" substr($2, 2); exit }' hack/lab/kube/go.mod; }

# needed_by FILES-OR-PACKAGES… prints what of the lab their tests run.
needed_by() {
	local tests=(grep -rqsE --include='*_test.go' --include='*test.go')
	! "${tests[@]}" 'kubetest\.|apiserver\.Start|cluster\.Start' "$@" || echo kube
	! "${tests[@]}" 'prosodytest\.|rootfs' "$@" || echo images
	! "${tests[@]}" 'dnstest\.(\w*ExternalDNS(CRD)?|StartWebhookServer)\(' "$@" || echo externaldns
}

# files_with TAG prints the files that have this build tag and a test that RUN selects.
files_with() {
	local file whole=${RUN:-.}
	grep -rlE --include='*_test.go' --exclude-dir=lab "^//go:build .*\b$1\b" api cmd controllers internal hack | while read -r file; do
		! grep -oP '^func \KTest\w+(?=\(t )' "$file" | grep -P -- "${whole%%/*}" >/dev/null || echo "$file"
	done
}

# files_without_tag prints the files that need nothing and have a test that RUN selects.
files_without_tag() {
	local file whole=${RUN:-.}
	grep -rLE --include='*_test.go' --exclude-dir=lab '^//go:build ' api cmd controllers internal hack test | while read -r file; do
		! grep -oP '^func \KTest\w+(?=\(t )' "$file" | grep -P -- "${whole%%/*}" >/dev/null || echo "$file"
	done
}

# select_packages TAG sets packages to those of these files.
select_packages() {
	mapfile -t packages < <(files_with "$1" | xargs -rn1 dirname | sort -u | sed 's|^|./|')
	((${#packages[@]})) || no_such_test "$1"
}

# no_such_test ends this script: go test would be content with none.
no_such_test() {
	echo "RUN=${RUN-} is the name of no test with build tag $1" >&2
	exit 2
}

# all runs every test, whatever became of those before. It ends with the result of each package and lab test once more, where it is
# not hidden among other output, the slowest tests, and the result of each phase.
all() {
	local phase began result summary=() failed=0 log=bin/test.log phases=(quick e2e)
	: >"$log"
	: >"$TIMES"
	((EUID == 0)) || phases=(unit envtest integration e2e)
	for phase in "${phases[@]}"; do
		printf '\n=== %s\n' "$phase"
		began=$SECONDS
		if ((EUID != 0)) && [[ $phase == integration || $phase == e2e ]]; then
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
	grep -E '^(ok|FAIL|SKIP|      [a-z.]+/|[0-9]+ tests )' "$log" || true
	printf '\n=== lab tests, and how long each took besides waiting for others\n'
	awk -F '\t' '$2 == "e2e" { printf "%-5s %7.1f s  %s\n", $3, $1, $5 }' "$TIMES"
	printf '\n=== the %d slowest tests\n' $SLOWEST
	sort -rn "$TIMES" | awk -F '\t' -v most="$SLOWEST" 'NR <= most { sub(/.*xmppfed\//, "", $4); printf "%7.1f s  %-12s %s %s\n", $1, $2, $4, $5 }'
	printf '\n'
	printf '%s\n' "${summary[@]}"
	return $failed
}

# soak runs every test in its long form (testkit.Campaign), and then the fuzz targets; with RUN only the tests that it selects.
soak() {
	local phase
	export SOAK=true TIMEOUT=12h
	if [[ -z ${RUN-} ]]; then
		all
		FUZZTIME=${FUZZTIME:-10m} hack/fuzz.sh
		return
	fi
	mapfile -t packages < <(files_without_tag | xargs -rn1 dirname | sort -u | sed 's|^|./|')
	((${#packages[@]} == 0)) || go_test unit -v -timeout "$TIMEOUT" "${packages[@]}"
	for phase in envtest integration e2e; do
		[[ -z $(files_with $phase) ]] || $phase
	done
}

KUBEBUILDER_ASSETS=$(kube_dir) && export KUBEBUILDER_ASSETS
go build -o "$TESTSUM" ./hack/tools/testsum
case ${1-} in
unit | envtest | integration | quick | e2e | all | soak) "$1" ;;
*) echo "want: test.sh unit|envtest|integration|e2e|all|soak" >&2 && exit 2 ;;
esac
