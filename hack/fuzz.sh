#!/usr/bin/env bash
# fuzz.sh runs each fuzz target for FUZZTIME (a duration of Go, by default a minute): what strangers send is parsed and
# judged there. What they found worth keeping is in testdata/fuzz beside them, and part of every test run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The package and the name of each target.
targets=(
	"./internal/xmpp FuzzReader"
	"./internal/xmpp FuzzStream"
	"./internal/dns/route53 FuzzText"
	"./internal/check FuzzCertificate"
	"./internal/check FuzzDNSAnswer"
	"./internal/check FuzzJudgePing"
)

for target in "${targets[@]}"; do
	read -r package name <<<"$target"
	echo "== $name in $package, ${FUZZTIME:-1m}"
	go test "$package" -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-1m}" -fuzzminimizetime 1s
done
