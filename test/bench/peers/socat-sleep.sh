#!/usr/bin/env bash
# DRAIN by the Runtime API, a sleep, MAINT, restart, READY, as deploy scripts with socat do
# (https://observations1846.rssing.com/chan-40546312/article35.html).
set -euo pipefail
source "$(dirname "$0")/lib.sh"

haproxy "set server app/$NODE state drain"
sleep "$SLEEP"
haproxy "set server app/$NODE state maint"
stop_app
start_app "$@"
haproxy "set server app/$NODE state ready"
until_up
