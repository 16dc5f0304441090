#!/usr/bin/env bash
# prerequisites.sh PACKAGE… installs the Debian packages that are missing. As somebody else than root it only says which.
# It starts no service and removes no package: what else the machine does is not our business.
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

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
if [[ -e $policy ]]; then
	trap 'rm -f "$log"' EXIT
else
	# Removed whatever ends this script: left behind, it would keep every service from starting, for good.
	trap 'rm -f "$log" "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi

echo "installing Debian packages: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -yq --no-install-recommends --no-remove "${missing[@]}"; } >"$log" 2>&1 || {
	cat "$log" >&2
	echo "can't install ${missing[*]}: see above; a package that is in their way is yours to remove" >&2
	exit 1
}
