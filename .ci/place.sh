# Where `make up` keeps things, for up and down alike. Sourced after lib.sh.
# shellcheck shell=bash disable=SC2034 # used by those who source it

STATE=${XDG_STATE_HOME:-$HOME/.local/state}/skep/up
DATA=$HOME/.skep # where skep itself looks, too
KUBE=${KUBECONFIG:-$HOME/.kube/config}
KUBE=${KUBE%%:*} # of several files, kubectl writes to the first
LISTEN=${SKEP_LISTEN:-127.0.0.1:6443}
IMAGE=skep:latest
SOCKET=/var/run/docker.sock
DOCKER_HOST_GIVEN=${DOCKER_HOST:-}
export DOCKER_HOST=${DOCKER_HOST:-unix://$SOCKET}

# note LINE writes a change of ours down, once, so that down can undo it.
note() {
	mkdir -p "$STATE"
	chmod 700 "$STATE"
	grep -qxF "$*" "$STATE/did" 2>/dev/null || echo "$*" >>"$STATE/did"
}

# identity prints a process' id and start time: an id alone may belong to another by now.
identity() {
	[ -r "/proc/$1/stat" ] && echo "$1 $(sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20)"
}

# alive ID START says whether that very process still runs.
alive() { [ "$(identity "$1" 2>/dev/null)" = "$1 $2" ]; }

# running NAME says whether the process that `up` noted under that name still runs.
running() {
	local what id start
	while read -r what id start; do
		if [ "$what" = "$1" ] && alive "$id" "$start"; then return 0; fi
	done < <(cat "$STATE/did" 2>/dev/null)
	return 1
}
