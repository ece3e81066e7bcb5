#!/usr/bin/env bash
# The health page fails first, the stop follows after a sleep: the usual advice for "graceful" applications, and a preStop hook's
# `sleep` (https://web-alert.io/blog/graceful-shutdown-sigterm-zero-downtime-deploys-guide, https://docs.porter.run/configure/zero-downtime-deployments).
# A failed check takes a server DOWN, and sticky users go elsewhere at once.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

curl -fsSo /dev/null -X POST "$URL/fail"
sleep "$SLEEP"
stop_app
start_app "$@"
until_up
