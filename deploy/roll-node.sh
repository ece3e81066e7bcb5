#!/bin/sh
# Rolls one node, without a failed request or a lost session; run it on each node in turn.
#
#   roll-node.sh [-c FILE] [-r REASON] [-t TIMEOUT] [STEP ARG...]
#   roll-node.sh -r 'weekly recycle'                              lastcall restart
#   roll-node.sh -r 'deploy 41' -t 30m /srv/app/unpack.sh 41      lastcall stop, the step, lastcall ready
#
# The step runs while no user is on the node and the application is down. If it fails the node stays out of service:
# a half deployed application gets no users.
#
# stdout: the one JSON object of each lastcall command. stderr: what happens, and what to do next.
# Exit code: lastcall's own, so that 75 (refused for now, nothing changed) can be tried again, and
# 124 (not drained in time) can be looked at; 1 when the step failed.
# LASTCALL names another program than the lastcall on PATH.
set -eu

lastcall=${LASTCALL:-lastcall}
config=
reason="rolled by $(id -un)"
timeout=
doing='nothing yet'
undo='nothing was changed'

say() {
    printf 'roll-node: %s\n' "$*" >&2
}

usage() {
    say 'usage: roll-node.sh [-c FILE] [-r REASON] [-t TIMEOUT] [STEP ARG...]'
    exit 64
}

# sh waits for the running command before it comes here; that one has had the Ctrl-C too and says what it left.
interrupted() {
    trap '' HUP INT TERM
    say "interrupted during: $doing. $undo"
    exit "$1"
}
trap 'interrupted 129' HUP
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

# The verb with our options; its exit code.
call() {
    set -- "$1" --json --reason "$reason"
    if [ -n "$config" ]; then set -- "$@" --config "$config"; fi
    if [ -n "$timeout" ]; then set -- "$@" --timeout "$timeout"; fi
    "$lastcall" "$@"
}

# Runs a verb; ends the script with its code, and with what that code means for the node, unless it is done.
must() {
    doing="lastcall $1"
    say "$doing"
    code=0
    call "$1" || code=$?
    case $code in
    0) return ;;
    64 | 78) say "$1: wrong call or configuration (see above); nothing was changed" ;;
    69) say "$1: the sidecar or a balancer cannot be reached. $undo" ;;
    73) say "$1: the state file cannot be written. $undo" ;;
    75) say "$1: refused for now, nothing was changed; try again later" ;;
    124) say "$1: not done in time. $undo" ;;
    126 | 127) say "$1: cannot run $lastcall. $undo" ;;
    *) say "$1: ended with $code (see above). $undo" ;;
    esac
    exit "$code"
}

while getopts c:r:t: option; do
    case $option in
    c) config=$OPTARG ;;
    r) reason=$OPTARG ;;
    t) timeout=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))

undo="See 'lastcall status'; 'lastcall ready' brings the node back"
if [ $# -eq 0 ]; then
    must restart
    say 'done: restarted and back in service'
    exit 0
fi

# Before anything is changed: a step that cannot even start would leave the node out for nothing.
if ! command -v "$1" >/dev/null 2>&1; then
    say "$1: no such program; nothing was changed"
    exit 64
fi

must stop
doing="the step ($1)"
undo='The node is stopped and out of service. Put it right, then bring it back: lastcall ready'
say "$doing"
code=0
"$@" >&2 || code=$?
if [ "$code" -ne 0 ]; then
    say "$doing failed with $code. $undo"
    exit 1
fi
must ready
say 'done: stopped, changed and back in service'
