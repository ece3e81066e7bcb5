/** Which test shows each trap of doctor: without the trap it has to fail (test/long/trap-mutants.long.ts). */

export interface TrapProof {
  /** Below test/, without its ending. */
  readonly file: string;
  /** The beginning of the test's name, or a part of it that no other test of the file has. */
  readonly test: string;
  /** What of the trap the test shows; default: the place where it is found. */
  readonly shows?: 'unseen';
}

const JUDGED = 'doctor/judged.test';
const ROUTING = 'doctor/routing.test';
const FILE = 'doctor/haproxy-cfg.test';
const CHECKS = 'doctor/health-checks.test';

const inRouting = (test: string): TrapProof => ({ file: ROUTING, test });
const ofVersion = (test: string): TrapProof => ({ file: JUDGED, test });
const ofUnit = ofVersion;
/** All of them stand in one haproxy.cfg. */
const IN_FILE: TrapProof = { file: FILE, test: 'shows each line that moves users' };

const AGENTS = inRouting('an agent-check of another program, a weight without steps');
const ALLOWED = inRouting('level operator, a server that is not there, no HAProxy at all');
const AWAY = inRouting('a master that does not answer, and a file where a directory should be');
const APPLICATION = inRouting('nothing there: neither users nor a stop nor a start');
const STOP = inRouting('a stop that cannot run, and a probe that is bad');
const HASH = inRouting('a hash alone');
const TABLE = inRouting('a stick table without peers, whose entries never end');
const COOKIE = inRouting('a cookie that no source counts behind, and no other server');

/** The traps of the live HAProxy, of its file, and of the machine, in the order of agent/doctor/table.ts. */
export const TRAP_PROOFS: Readonly<Record<string, TrapProof>> = {
  unreachable: ALLOWED,
  'socket-rights': { file: JUDGED, test: 'A socket without rights is a trap of its own' },
  'socket-level': ALLOWED,
  'no-such-server': ALLOWED,
  'master-rights': AWAY,
  'no-master': { file: JUDGED, test: 'A HAProxy whose old workers can neither be seen nor counted' },
  'agent-missing': AGENTS,
  'agent-foreign': AGENTS,
  'agent-deaf': { file: JUDGED, test: 'An agent-check that gets no answer while the sidecar runs' },

  'too-old': ofVersion('too-old: 2.2.9'),
  'master-crash': ofVersion('master-crash: 3.4.0'),
  'agent-stays-down': ofVersion('agent-stays-down: 3.3.11'),
  'cut-answer-crash': ofVersion('cut-answer-crash: 3.2.26'),

  uncounted: COOKIE,
  unkeepable: HASH,
  unlisted: inRouting('a second server of the same address, and a check by a connection'),
  'unlisted-port': { file: 'doctor/second-port.test', test: 'is named where nothing names the process' },
  held: inRouting('a DRAIN that is not of lastcall'),
  guard: COOKIE,

  'source-unread': APPLICATION,
  'private-tmp': ofUnit('a sandbox that hides session files, and a sidecar of another user'),
  'probe-makes-sessions': APPLICATION,
  'check-makes-sessions': { file: FILE, test: 'shows the check of HAProxy, which makes a session' },
  'table-expire': TABLE,

  'stop-fails': STOP,
  'start-fails': APPLICATION,
  'stop-unproven': APPLICATION,
  'start-means-nothing': ofUnit('a start that means nothing, where no probe waits'),
  'no-probe': HASH,
  unhealthy: STOP,

  'tcp-probe': { file: CHECKS, test: 'breaks where HAProxy asks no more: connected' },
  'tcp-probe-checked': { file: CHECKS, test: 'costs where HAProxy asks for a page' },
  'no-check': HASH,
  'connect-check': { file: CHECKS, test: 'A server that follows another one has the check of that one' },

  'no-drop-in': ofUnit('a unit whose stop does not drain, or is killed in the middle of it'),
  'unit-timeout': ofUnit('a unit whose stop does not drain, or is killed in the middle of it'),
  'stop-timeout': ofUnit('a unit that may stop for longer than we wait'),

  'table-peers': TABLE,
  'no-state-file': HASH,

  'ramp-weight': AGENTS,
  'ramp-static': AGENTS,

  'option-persist': IN_FILE,
  'force-persist': IN_FILE,
  'use-server': IN_FILE,
  'on-marked-down': IN_FILE,
  'on-marked-up': IN_FILE,
  'state-file-ignored': IN_FILE,
  'cookie-mode': IN_FILE,
  redispatch: IN_FILE,
  'retry-on': IN_FILE,
  'init-state': IN_FILE,
  'hard-stop-after': IN_FILE,
  'socket-slots': IN_FILE,

  'sign-out-is-down': IN_FILE,
  'slowstart-never': IN_FILE,
  'timeout-check': IN_FILE,
  'agent-inter': IN_FILE,
  'other-check': IN_FILE,

  'state-rights': AWAY,
  'lock-unread': { file: 'doctor/lock.test', test: 'an etcd that does not answer is named' },
  'no-lock': AWAY,
  'no-sidecar': AWAY,
  'other-user': {
    ...ofUnit('a sandbox that hides session files, and a sidecar of another user'),
    shows: 'unseen',
  },
  'proxy-environment': AWAY,
};
