#!/usr/bin/env bash
# The health page answers 404 first, which under `http-check disable-on-404` keeps new users away and lets the others stay; the
# stop follows after a sleep (https://serverfault.com/questions/178841, an answer by HAProxy's author).
set -euo pipefail
source "$(dirname "$0")/lib.sh"

curl -fsSo /dev/null -X POST "$URL/sign-out"
sleep "$SLEEP"
stop_app
start_app "$@"
until_up
