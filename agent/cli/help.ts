/** The examples that open each help text: the most frequent uses. */
export const EXAMPLES = {
  root: [
    'lastcall stop --reason "deploy 41"       no new users, wait for the last one, stop the app',
    'lastcall ready                           start it, wait until healthy, back into rotation',
    'lastcall status --watch                  the open connections',
    'lastcall stop --haproxy /run/haproxy/admin.sock --server app/app1 --stop-pid /run/app.pid',
    '                                         the same without a sidecar',
  ],
  run: [
    'lastcall run                             the sidecar of a node that another program starts',
    'lastcall run -c app1.yaml -- java -jar app.jar',
    '                                         the sidecar also starts and supervises the app',
    'kill -HUP PID                            reads the configuration again (after --: the app gets the signal)',
  ],
  drain: [
    'lastcall drain --reason "kernel update"  no new users, wait for zero, fence; the app keeps running',
    'lastcall drain --timeout 10m --on-timeout hold',
    'lastcall drain --haproxy /run/haproxy/admin.sock --server app/app1 --sessions http://127.0.0.1:8080/sessions',
  ],
  stop: [
    'lastcall stop --reason "deploy 41"       drain, then stop the app and see that it is gone',
    'lastcall stop --timeout 1h --on-timeout force --json',
    'lastcall stop --haproxy /run/haproxy/admin.sock --server app/app1 --stop-pid /run/app.pid',
  ],
  ready: [
    'lastcall ready                           start the app if it is down, wait until healthy, back into rotation',
    'lastcall ready --haproxy /run/haproxy/admin.sock --server app/app1 --health http://127.0.0.1:8080/health',
  ],
  restart: [
    'lastcall restart --reason "weekly"       stop, start and ready as one operation',
    'lastcall restart --dry-run               what would happen; changes nothing',
  ],
  reboot: [
    'lastcall reboot --reason "kernel update" no new users, wait for the last one, stop the app, reboot the machine;',
    '                                         after the boot the node is back by itself',
    'lastcall reboot --dry-run                what would happen; changes nothing',
  ],
  hold: [
    'lastcall hold --reason "memory test"     DRAIN until `lastcall release`, whatever other callers request',
    'lastcall hold --maint --reason "disk"    MAINT at once: its users are sent to other nodes and lose their sessions',
  ],
  release: ['lastcall release                         what was found before the hold is back'],
  status: [
    'lastcall status                          the node, its servers, its open connections',
    'lastcall status --watch                  the same, again at every change',
    'lastcall status --pool --watch           all nodes of the pool: who is out, who waits, who failed',
    'lastcall status --json | jq .sessions.total',
    'lastcall status --haproxy /run/haproxy/admin.sock --server app/app1',
    '                                         what HAProxy shows of it, without a sidecar',
  ],
  unlock: [
    'lastcall unlock app2 --reason "machine scrapped"',
    '                                         frees its slot; refused while its sidecar lives',
  ],
  init: [
    'lastcall init --haproxy /run/haproxy/admin.sock',
    '                                         this machine is the node: writes /etc/lastcall/lastcall.yaml, or -c FILE',
    'lastcall init --haproxy tcp://10.0.0.11:9999 --haproxy tcp://10.0.0.12:9999 --server app/app1 -c app1.yaml',
    'lastcall init --haproxy /run/haproxy/admin.sock --print',
    '                                         shows it and writes no file',
  ],
  completion: [
    'lastcall completion fish >~/.config/fish/completions/lastcall.fish',
    'source <(lastcall completion bash)       bash: in ~/.bashrc; zsh alike in ~/.zshrc',
  ],
  doctor: [
    'lastcall doctor                          each trap with its consequence and its fix; 0 when none breaks the promise',
    'lastcall doctor --haproxy-config /etc/haproxy/haproxy.cfg',
    'runuser -u lastcall -- lastcall doctor   as the user of the sidecar',
    'lastcall doctor --haproxy /run/haproxy/admin.sock --server app/app1 --sessions http://127.0.0.1:8080/sessions',
    '                                         the same without a file and a sidecar: what `stop` with these words meets',
    'lastcall doctor --live http://127.0.0.1/ also a trial drain: do new users leave, and old ones stay?',
  ],
  check: [
    'lastcall check                           is the configuration file right? touches nothing else',
    'lastcall check -c app1.yaml --json',
  ],
} as const;

export function examples(of: keyof typeof EXAMPLES): string {
  return `Examples:\n${EXAMPLES[of].map((line) => `  ${line}\n`).join('')}`;
}
