#!/usr/bin/env bash
# install-tool.sh PACKAGE VERSION FILE builds a tool from its Go module. FILE appears whole or not at all.
set -euo pipefail

package=$1 version=$2 file=$3
mkdir -p "${file%/*}"
dir=$(mktemp -d -p "${file%/*}")
trap 'rm -rf "$dir"' EXIT

echo "building ${file##*/}" >&2
GOBIN=$dir CGO_ENABLED=0 go install "$package@$version"
mv "$dir"/* "$file"
