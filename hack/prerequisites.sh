#!/usr/bin/env bash
# prerequisites.sh PACKAGE… installs the Debian packages that are missing. As somebody else than root it only says which.
set -euo pipefail

missing=()
for package; do
	dpkg-query -Wf '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
((${#missing[@]})) || exit 0
if ((EUID != 0)); then
	echo "missing Debian packages, install them as root: apt-get install ${missing[*]}" >&2
	exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
