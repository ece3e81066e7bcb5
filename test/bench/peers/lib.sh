# shellcheck shell=bash
# What each of the scripts beside this file does to an application and asks of HAProxy. The caller names the node by its
# environment (NODE, URL, PID_FILE, SOCKET of HAProxy's Runtime API, SLEEP in seconds) and the command that starts it by the arguments.

haproxy() {
  socat stdio "unix-connect:$SOCKET" <<<"$1"
}

# Returns when the process has ended; a zombie has, too.
stop_app() {
  local pid
  pid=$(<"$PID_FILE")
  kill "$pid"
  while [[ $(ps -o stat= -p "$pid") == [!Z]* ]]; do sleep 0.1; done
}

start_app() {
  "$@"
  until curl -fso /dev/null "$URL/health"; do sleep 0.1; done
}

# The next node comes when HAProxy uses this one again and has seen it healthy (`UP 1/3` is not that yet).
until_up() {
  until haproxy 'show stat app 4 -1' | grep -q "^app,$NODE,.*,UP,"; do sleep 0.1; done
}
