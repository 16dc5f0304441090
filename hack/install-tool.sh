#!/usr/bin/env bash
# install-tool.sh PACKAGE VERSION FILE builds a tool from its Go module. FILE appears whole or not at all.
set -euo pipefail

package=$1 version=$2 file=$3

# An older Go can't read today's go.mod, and says so cryptically. Its version is asked for outside of the module, because
# inside a newer Go would fetch the version that go.mod names.
minor=0
if [[ $(cd / && go env GOVERSION) =~ go1\.([0-9]+) ]]; then minor=${BASH_REMATCH[1]}; fi
if ((minor < 21)); then
	echo "Go 1.21 or newer has to be in PATH, also under sudo; Debian 12's own is too old, install https://go.dev/dl" >&2
	exit 1
fi

mkdir -p "${file%/*}"
dir=$(mktemp -d -p "${file%/*}")
trap 'rm -rf "$dir"' EXIT

echo "building ${file##*/}" >&2
GOBIN=$dir CGO_ENABLED=0 go install "$package@$version"
mv "$dir"/* "$file"
