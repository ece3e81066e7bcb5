#!/usr/bin/env bash
# The shortest script that is right where nothing goes wrong: DRAIN, ask the application how many users it has until none is
# left, restart, READY. It knows one balancer, no reload, no crash, no operator, no deadline: what lastcall is for. Its time
# is the measure for lastcall's.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

haproxy "set server app/$NODE state drain"
until [[ $(curl -fsS "$URL/sessions") == 0 ]]; do sleep 0.5; done
stop_app
start_app "$@"
haproxy "set server app/$NODE state ready"
until_up
