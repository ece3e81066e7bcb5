#!/bin/sh
# Reloads HAProxy without forgetting which servers are drained.
#
#   reload.sh [SOCKET [STATE-FILE [COMMAND...]]]
#   reload.sh /run/haproxy/admin.sock /run/haproxy/server-state systemctl reload haproxy
#
# Writes what HAProxy knows of its servers to the file of `server-state-file`, and only then runs the reload. If that
# cannot be written, nothing is reloaded: the new process would send users to nodes that are being drained.
# Needs socat. Exit code: the reload's own; 69 when HAProxy's socket gave no state.
set -eu

socket=${1:-/run/haproxy/admin.sock}
state=${2:-/run/haproxy/server-state}
if [ $# -gt 2 ]; then
    shift 2
else
    set -- systemctl reload haproxy
fi

# In the same directory, so that the rename is atomic: HAProxy never reads half a file.
fresh=$(mktemp "$state.XXXXXX")
trap 'rm -f "$fresh"' EXIT

echo 'show servers state' | socat -t 5 -T 5 stdio "unix-connect:$socket" >"$fresh" || true
# The first line is the format's version, the second one the names of the columns.
if ! sed -n 2p "$fresh" | grep -q '^# be_id '; then
    echo "reload.sh: $socket gave no servers state; nothing was reloaded" >&2
    exit 69
fi
mv "$fresh" "$state"

"$@"
