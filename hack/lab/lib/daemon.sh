# shellcheck shell=bash
# Daemons of the lab: started in a host, remembered by a pid file, ended by nothing else.

# started_at PID prints when the process began (clock ticks since boot): with the pid it names one process
# for good, whatever reuses the number later. Nothing for a process that is gone or only waits to be reaped.
started_at() {
	local stat
	read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
	# shellcheck disable=SC2086 # splitting is wanted: fields after the name, which may itself hold blanks
	set -- ${stat##*) }
	[[ $1 != Z ]] && echo "${20}"
}

remember() { echo "$2 $(started_at "$2")" >"$RUN/$1.pid"; }

# pid_of NAME prints the pid of a daemon that is alive.
pid_of() {
	local pid began
	read -r pid began 2>/dev/null <"$RUN/$1.pid" || return 1
	[[ $(started_at "$pid") == "$began" ]] && echo "$pid"
}

alive() { pid_of "$1" >/dev/null; }

# start NAME HOST CMD… starts a daemon in a host; its output goes to logs/NAME.log.
start() {
	local name=$1 host=$2
	shift 2
	alive "$name" && return
	detached nsenter --target "$(pid_of "host-$host")" --mount --net -- "$@" >>"$LOGS/$name.log" 2>&1 </dev/null &
	remember "$name" $!
}

# detached CMD… becomes CMD, in a session of its own and with the standard streams only: a lock of the caller, say,
# would stay held for as long as the daemon lives. Bash has its script open as 255, for itself.
detached() {
	local fd
	for fd in "/proc/$BASHPID/fd"/*; do
		fd=${fd##*/}
		if ((fd > 2 && fd != 255)); then exec {fd}>&-; fi
	done
	exec setsid "$@"
}

# stop NAME… ends daemons.
stop() { stop_within 10 "$@"; }

# stop_within SECONDS NAME… asks the daemons to end, all at once, and makes those that have not when the time is up.
stop_within() {
	local name pid deadline=$((SECONDS + $1))
	shift
	for name; do
		if pid=$(pid_of "$name"); then kill -TERM "$pid" 2>/dev/null || true; fi
	done
	for name; do
		while alive "$name"; do
			if ((SECONDS >= deadline)); then kill_now "$name"; fi
			sleep 0.05
		done
		rm -f "$RUN/$name.pid"
	done
}

kill_now() {
	local pid
	if pid=$(pid_of "$1"); then kill -KILL "$pid" 2>/dev/null || true; fi
}

# daemons prints the names of everything that was started, hosts left out.
daemons() {
	local file
	for file in "$RUN"/*.pid; do
		file=${file##*/}
		case $file in '*.pid' | host-*) ;; *) echo "${file%.pid}" ;; esac
	done
}
