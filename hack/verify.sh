#!/usr/bin/env bash
# Checks everything that can be checked without running the operator: each check is a function, all run, and the first
# lines of what they print say what to do. Called by make verify, which provides $HELM and $KUSTOMIZE.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

hack/prerequisites.sh shellcheck

failed=() checks=0

check() {
	local what=$1 output began=$SECONDS
	checks=$((checks + 1))
	shift
	# In a shell of its own, where a failing command ends the function as set -e promises.
	if output=$(bash -euo pipefail -c "$(declare -f); $*" 2>&1); then
		printf 'ok    %-28s %4d s\n' "$what" $((SECONDS - began))
	else
		printf 'FAIL  %-28s %4d s\n%s\n' "$what" $((SECONDS - began)) "$output"
		failed+=("$what")
	fi
}

# files [PATTERN…] prints the files of the tree: those that git tracks or would, and that are there.
files() {
	git ls-files -z --cached --others --exclude-standard -- "$@" | while IFS= read -rd '' name; do
		if [[ -e $name ]]; then printf '%s\0' "$name"; fi
	done
}

formatted() {
	local unformatted
	unformatted=$(files '*.go' | xargs -0 gofmt -l)
	[[ -z $unformatted ]] || { printf 'run make format, for:\n%s\n' "$unformatted" && false; }
}

# generated runs the generators in a copy of the tree, so that checking changes nothing.
generated() {
	local copy tree
	copy=$(mktemp -d)
	mkdir "$copy"/{is,should}
	files | tar --null -T - -c -f "$copy/tree.tar"
	for tree in is should; do tar -x -C "$copy/$tree" -f "$copy/tree.tar"; done
	make -C "$copy/should" generate >"$copy/log" 2>&1 || { cat "$copy/log" && rm -rf "$copy" && false; }
	diff -ru "$copy/is" "$copy/should" || { echo "run make generate" && rm -rf "$copy" && false; }
	rm -rf "$copy"
}

tidy() {
	local file untidy=()
	while IFS= read -rd '' file; do
		go -C "$(dirname "$file")" mod tidy -diff || untidy+=("go -C $(dirname "$file") mod tidy")
	done < <(files go.mod '*/go.mod')
	((${#untidy[@]} == 0)) || { printf 'run: %s\n' "${untidy[@]}" && false; }
}

scripts() {
	local scripts
	mapfile -t scripts < <(files | xargs -0 grep -lE -m1 '^(#!.*\b(bash|sh)$|# shellcheck shell=)')
	shellcheck --external-sources "${scripts[@]}"
}

chart() {
	"$HELM" lint --strict charts/xmppfed
	"$HELM" lint --strict charts/xmppfed --values config/lab/values.yaml
	go test ./hack/tools/generate
}

manifests() {
	local overlay
	for overlay in config/default config/namespaced config/samples; do "$KUSTOMIZE" build "$overlay" >/dev/null; done
}

check "code is formatted" formatted
check "generated files" generated
check "every go.mod is tidy" tidy
check "scripts (shellcheck)" scripts
check "chart" chart
check "manifests (kustomize)" manifests

if ((${#failed[@]})); then
	printf '%d of %d checks failed\n' ${#failed[@]} $checks
	exit 1
fi
