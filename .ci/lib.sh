# Shared by the scripts beside it: words to the person, and small checks. Sourced, never run.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ROOT

say() { printf '%s\n' "$*"; }

die() {
	printf 'skep: %s\n' "$*" >&2
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# as_root runs a command as root, by sudo where we are not.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		die "this step needs root and there is no sudo: $*"
	fi
}

# step TEXT COMMAND... runs a command with its output in a log, and tells that it is still alive.
# A failing command shows the end of that log.
step() {
	local text=$1 log pid begin now told=0 status=0
	shift
	log=$(mktemp)
	begin=$SECONDS
	"$@" >"$log" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		now=$((SECONDS - begin))
		if ((now >= 1 && now >= told)); then
			if [ -t 1 ]; then
				printf '\r  ... %s: %d s, %d lines of output ' "$text" "$now" "$(wc -l <"$log")"
				told=$((now + 1))
			else
				printf '  ... %s: %d s\n' "$text" "$now"
				told=$((now < 5 ? 5 : now + 30))
			fi
		fi
	done
	[ ! -t 1 ] || printf '\r\033[K'
	wait "$pid" || status=$?
	if ((status != 0)); then
		printf '  FAILED (%d s): %s\n' "$((SECONDS - begin))" "$text" >&2
		tail -n 30 "$log" >&2
	else
		printf '  ok  %s (%d s)\n' "$text" "$((SECONDS - begin))"
	fi
	rm -f "$log"
	return "$status"
}

# wait_for SECONDS COMMAND... until the command succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.2
	done
}

# packages NAME... installs those of Debian's packages that are missing.
packages() {
	local p missing=()
	for p; do
		dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
	done
	((${#missing[@]} == 0)) && return 0
	have apt-get || die "missing: ${missing[*]}; this is no Debian, so install them your own way and try again"
	step "apt-get update" as_root apt-get update -q
	step "apt-get install ${missing[*]}" as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# nginx_at_rest installs the nginx that tests run themselves. Its service is not started, now or at boot.
nginx_at_rest() {
	local managed=
	[ ! -d /run/systemd/system ] || managed=1
	[ -z "$managed" ] || as_root systemctl mask --quiet nginx
	packages nginx libnginx-mod-stream
	[ -z "$managed" ] || as_root systemctl unmask --quiet nginx
	[ -z "$managed" ] || as_root systemctl disable --quiet nginx
}

# need_go ends with one clear sentence where Go is missing or too old for our go.mod.
need_go() {
	local want got
	want=$(awk '$1 == "go" {print $2}' "$ROOT/go.mod")
	have go || die "Go $want or newer is needed to build and is not in PATH; see https://go.dev/dl, unpack it and add its bin folder to PATH."
	got=$(GOTOOLCHAIN=local go env GOVERSION) && got=${got#go}
	if [ "$(printf '%s\n%s\n' "$want" "$got" | sort -V | head -n 1)" != "$want" ]; then
		die "Go $want or newer is needed to build; this is $got ($(command -v go)). See https://go.dev/dl."
	fi
}
