import { type Command, Option } from 'commander';
import type { OnTimeout } from '../lifecycle/model/api.ts';

/** The options of drain, stop, ready, restart and reboot, as commander hands them over. */
export interface VerbOptions {
  readonly reason?: string;
  readonly timeout?: string;
  readonly onTimeout?: OnTimeout;
  readonly expires?: string;
  readonly force?: boolean;
  /** False with `--no-wait`. */
  readonly wait: boolean;
  /** False with `--no-fence`; only drain has it. */
  readonly fence?: boolean;
  readonly dryRun?: boolean;
  /** False with `--no-refuse`; only drain and stop have it. */
  readonly refuse?: boolean;
  /** Only drain, stop and restart have it. */
  readonly waitForSlot?: string;
  readonly ignoreServer?: readonly string[];
  /** Only hold has it. */
  readonly maint?: boolean;
  readonly haproxy?: readonly string[];
  readonly master?: readonly string[];
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly server?: readonly string[];
  readonly sessions?: string;
  readonly sessionsJson?: string;
  readonly stopPid?: string;
  readonly stopCommand?: string;
  readonly health?: string;
  readonly quietFor?: string;
  readonly notSticky?: boolean;
  readonly keep?: string;
  readonly unreachable?: 'wait' | 'ignore';
  readonly reloadGrace?: string;
  readonly stateFile?: readonly string[];
}

type Verb = 'drain' | 'stop' | 'ready' | 'restart' | 'reboot';

const OUT: readonly Verb[] = ['drain', 'stop', 'restart', 'reboot'];

/**
 * The options of one verb. Its help shows those that it has a use for; the others are accepted, as scripts may give the
 * same ones to each.
 */
export function addVerbOptions(command: Command, verb: Verb): Command {
  const shown = (flags: string, text: string, by: readonly Verb[]): Option =>
    new Option(flags, text).hideHelp(!by.includes(verb));
  command
    .option('--reason <text>', 'the reason, for the log and for other operators')
    .option(
      '--timeout <duration>',
      verb === 'ready'
        ? 'how long to wait until it is healthy and UP: 90s, 5m'
        : 'how long to wait for the last user: 90s, 30m, 1h30m',
    )
    .addOption(
      shown(
        '--on-timeout <what>',
        'then: give back what was found, end their sessions, or go on draining',
        OUT,
      ).choices(['restore', 'force', 'hold']),
    )
    .addOption(
      shown(
        '--wait-for-slot <duration>',
        'how long to wait for a slot of its pool; without it 75 `locked` at once',
        OUT,
      ),
    )
    .addOption(shown('--expires <duration>', 'the drain undoes itself after so long', ['drain', 'stop']))
    .option(
      '--force',
      verb === 'ready'
        ? 'take over servers that are held, with a warning; needs --reason'
        : 'go over guard, held, uncounted, unkeepable and unlisted, with a warning; needs --reason',
    )
    .addOption(ignoreServer().hideHelp(verb === 'ready'))
    .option('--no-wait', 'return as soon as the sidecar has accepted');
  if (verb === 'drain') command.option('--no-fence', 'leave it in DRAIN at zero');
  if (verb === 'drain' || verb === 'stop')
    command.option(
      '--no-refuse',
      'for a hook after which the app is ended in any case: what would refuse it is a warning',
    );
  return command.option('--dry-run', 'show what would happen, change nothing');
}

/** hold and release: they live in the sidecar's record, so there is no direct mode. */
export function addHoldOptions(command: Command, operation: 'hold' | 'release'): Command {
  command.option('--reason <text>', 'the reason, for other operators');
  if (operation === 'hold') {
    command
      .option('--maint', 'MAINT, which cuts its users; without it DRAIN, which lets them finish')
      .option('--force', 'go over guard, held and unlisted, with a warning')
      .addOption(ignoreServer());
  }
  return command
    .option('--no-wait', 'return as soon as the sidecar has accepted')
    .option('--dry-run', 'show what would happen, change nothing');
}

/** Direct mode: no sidecar and no file; restart and reboot have none. */
export function addDirectOptions(command: Command, verb: Verb): Command {
  const group = 'Without a sidecar:';
  const direct: Direct = (flags, text, by = ['drain', 'stop', 'ready']) =>
    new Option(flags, text).helpGroup(group).hideHelp(!by.includes(verb));
  const options = [...haproxyOptions(direct), ...appOptions(direct), ...policyOptions(direct)];
  for (const option of options) command.addOption(option);
  return command;
}

/** `status` without a sidecar. */
export function addDirectStatusOptions(command: Command): Command {
  const direct: Direct = (flags, text) => new Option(flags, text).helpGroup('Without a sidecar:');
  for (const option of haproxyOptions(direct)) command.addOption(option);
  return command;
}

/** `doctor` without a file: the words of the drain or the stop that it is asked about. */
export function addDirectDoctorOptions(command: Command): Command {
  const group = 'Without a file and a sidecar:';
  const direct: Direct = (flags, text) => new Option(flags, text).helpGroup(group);
  const options = [...haproxyOptions(direct), ...appOptions(direct), ...policyOptions(direct)];
  for (const option of [...options, ignoreServer().helpGroup(group)]) command.addOption(option);
  return command;
}

/** Which HAProxys are asked, and by what name the node is known there. */
export function addInitOptions(command: Command): Command {
  const [, , ...options] = haproxyOptions((flags, text) => new Option(flags, text));
  command
    .requiredOption('--haproxy <addr>', 'unix:/path, /path, tcp:// or tls://host:port; repeatable', collect)
    .option(
      '--server <backend/server>',
      'the node there, where its addresses do not tell; repeatable',
      collect,
    )
    .option('--print', 'write it to stdout, and no file');
  for (const option of options.slice(0, 3)) command.addOption(option);
  return command;
}

/** An option of direct mode; the help of other verbs than `by` leaves it out. */
type Direct = (flags: string, text: string, by?: readonly Verb[]) => Option;

const OUTWARD: readonly Verb[] = ['drain', 'stop'];

function haproxyOptions(direct: Direct): Option[] {
  return [
    direct('--haproxy <addr>', 'unix:/path, /path, tcp:// or tls://host:port; repeatable').argParser(collect),
    direct(
      '--master <addr>',
      'its master CLI: counts users on old workers; once per --haproxy',
      OUTWARD,
    ).argParser(collect),
    direct('--tls-ca <file>', 'for tls://: CA that signed HAProxy’s certificate'),
    direct('--tls-cert <file>', 'for tls://: our certificate'),
    direct('--tls-key <file>', 'for tls://: the file of its key'),
    direct('--server <backend/server>', "the node's name there; repeatable").argParser(collect),
  ];
}

function appOptions(direct: Direct): Option[] {
  return [
    direct('--sessions <url>', 'answers how many user sessions live here: a number, or JSON', OUTWARD),
    direct('--sessions-json <pointer>', 'where in that JSON the number is: /active', OUTWARD),
    direct('--stop-pid <pid>', 'stop by SIGTERM to this process: a number, or a file that holds it', [
      'stop',
    ]),
    direct('--stop-command <command>', 'stop by this command, split into arguments without a shell', [
      'stop',
    ]),
    direct('--health <url>', 'answers 200 when the app is healthy', ['ready']),
  ];
}

function policyOptions(direct: Direct): Option[] {
  return [
    direct('--quiet-for <duration>', 'zero must hold this long; 0s is legal', OUTWARD),
    direct('--not-sticky', 'sessions are not sticky: counting connections is enough', OUTWARD),
    direct('--keep <n>', 'so many other usable servers must remain at each HAProxy: 1; 0 is legal', OUTWARD),
    direct(
      '--unreachable <what>',
      'a HAProxy that cannot be asked any more: wait for it (default), or ignore it',
    ).choices(['wait', 'ignore']),
    direct(
      '--reload-grace <duration>',
      'so long after a reload unseen old workers are doubted: 10m; 0s is legal',
      OUTWARD,
    ),
    direct(
      '--state-file <file>',
      'the server-state file that its reloads dump first (haproxy/reload.sh); once per --haproxy',
      ['stop'],
    ).argParser(collect),
  ];
}

function ignoreServer(): Option {
  return new Option(
    '--ignore-server <server>',
    'a BACKEND/SERVER of this application that is left out on purpose; repeatable',
  ).argParser(collect);
}

function collect(value: string, former: readonly string[] | undefined): readonly string[] {
  return [...(former ?? []), value];
}
