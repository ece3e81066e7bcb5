#!/usr/bin/env bash
# A plain restart, one node after the other: what `systemctl restart` in a loop, or Ansible's `serial: 1` with a handler, does.
# HAProxy finds out by its health check.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

stop_app
start_app "$@"
until_up
