import { Argument, Command, CommanderError } from 'commander';
import type { Shell } from './completion.ts';
import type { DoctorOptions } from './doctor.ts';
import { examples } from './help.ts';
import type { InitCommandOptions } from './init.ts';
import { operate } from './operate.ts';
import {
  type VerbOptions,
  addDirectDoctorOptions,
  addDirectOptions,
  addDirectStatusOptions,
  addHoldOptions,
  addInitOptions,
  addVerbOptions,
} from './options.ts';
import type { CliPorts, Context } from './ports.ts';
import { runSidecar } from './run.ts';
import { unlock } from './unlock.ts';
import { showStatus, type StatusOptions } from './status.ts';
import { WORD_KINDS, type WordKind } from './word-kinds.ts';

/** The command that parsing found: its name, and its work. */
export interface ParsedCommand {
  readonly name: string;
  readonly work: (context: Context) => Promise<number>;
}

type OnParsed = (chosen: ParsedCommand) => void;

/** Help texts are as wide as this wherever they are read. */
const HELP_COLUMNS = 110;

const OPERATIONS = {
  drain: 'no new users; wait until the last one is gone; fence the node. The app keeps running',
  stop: 'drain, then stop the app and see that it is gone',
  ready: 'start the app if it is down, wait until it is healthy, put it back into rotation',
  restart: 'stop, start and ready as one operation',
  reboot: 'drain, stop, and reboot the machine; after the boot ready, as one operation',
} as const;

type AddVerb = (program: Command, onParsed: OnParsed, command: readonly string[] | null) => void;

/** In the order of the help. */
const VERBS: Readonly<Record<string, AddVerb>> = {
  run: addRun,
  drain: (program, onParsed) => addOperation(program, 'drain', onParsed),
  stop: (program, onParsed) => addOperation(program, 'stop', onParsed),
  ready: (program, onParsed) => addOperation(program, 'ready', onParsed),
  restart: (program, onParsed) => addOperation(program, 'restart', onParsed),
  reboot: (program, onParsed) => addOperation(program, 'reboot', onParsed),
  hold: (program, onParsed) => addHold(program, 'hold', onParsed),
  release: (program, onParsed) => addHold(program, 'release', onParsed),
  status: addStatus,
  unlock: addUnlock,
  check: addCheck,
  init: addInit,
  doctor: addDoctor,
  completion: addCompletion,
  'complete-words': addCompleteWords,
};

/**
 * The program with all its verbs.
 * @param command the arguments after `--`, for `run`
 * @param onParsed called with the verb that parsing found
 * @param words what is to be parsed: verbs that are not among them have a name only, since the 200 options of all take longer
 *   to make than those of one to parse. null = every verb is whole
 */
export function createProgram(
  ports: Pick<CliPorts, 'stdout' | 'version'>,
  command: readonly string[] | null,
  onParsed: OnParsed,
  words: readonly string[] | null = null,
): Command {
  const program = createRoot(ports);
  const isWhole = words === null || !words.some((word) => Object.hasOwn(VERBS, word)) || asksForHelp(words);
  for (const [name, add] of Object.entries(VERBS))
    if (isWhole || words.includes(name)) add(program, onParsed, command);
    else program.command(name);
  return program;
}

function asksForHelp(words: readonly string[]): boolean {
  return words.includes('--help') || words.includes('-h');
}

function createRoot(ports: Pick<CliPorts, 'stdout' | 'version'>): Command {
  return new Command('lastcall')
    .description(
      'Takes a stateful node out of service behind HAProxy without a failed request or a lost session.',
    )
    .option('-c, --config <file>', 'the configuration ($LASTCALL_CONFIG, else /etc/lastcall/lastcall.yaml)')
    .option('--socket <path>', "the sidecar's control socket")
    .option('--json', 'one JSON object on stdout, whatever the exit code')
    .option('--quiet', 'nothing but errors')
    .option('--version', 'the version')
    .helpOption('-h, --help', 'this text')
    .helpCommand(false)
    .addHelpText('before', examples('root'))
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => ports.stdout.write(text),
      writeErr: () => undefined,
      getOutHelpWidth: () => HELP_COLUMNS,
      getOutHasColors: () => false,
    })
    .on('option:version', () => {
      ports.stdout.write(`${ports.version()}\n`);
      throw new CommanderError(0, 'commander.version', 'version shown');
    })
    .exitOverride();
}

function addVerb(program: Command, name: Parameters<typeof examples>[0], text: string): Command {
  return program
    .command(name)
    .description(text)
    .helpOption('-h, --help', 'this text')
    .addHelpText('before', examples(name));
}

function addRun(program: Command, onParsed: OnParsed, command: readonly string[] | null): void {
  const text = 'the sidecar of one node; with -- COMMAND ARG... it also starts and supervises the app';
  addVerb(program, 'run', text)
    .usage('[options] [-- COMMAND ARG...]')
    .action(() => {
      onParsed({
        name: 'run',
        work: async (context) => runSidecar(context, command),
      });
    });
}

function addOperation(program: Command, name: keyof typeof OPERATIONS, onParsed: OnParsed): void {
  const verb = addVerb(program, name, OPERATIONS[name]);
  addDirectOptions(addVerbOptions(verb, name), name).action((options: VerbOptions) => {
    onParsed({ name, work: async (context) => operate(name, options, context) });
  });
}

const HOLDS = {
  hold: 'keep the node out of rotation as your own wish, which nothing undoes until `lastcall release`',
  release: 'end the hold and put back what was found',
} as const;

function addHold(program: Command, name: keyof typeof HOLDS, onParsed: OnParsed): void {
  addHoldOptions(addVerb(program, name, HOLDS[name]), name).action((options: VerbOptions) => {
    onParsed({ name, work: async (context) => operate(name, options, context) });
  });
}

function addStatus(program: Command, onParsed: OnParsed): void {
  const verb = addVerb(
    program,
    'status',
    'the node, its servers at every balancer, and its open connections',
  );
  verb
    .option('--watch', 'show it again at every change; with --json one object a line')
    .option('--pool', 'all nodes of the pool: who is out, who waits, who failed, and what HAProxy shows');
  addDirectStatusOptions(verb).action((options: StatusOptions) => {
    onParsed({ name: 'status', work: async (context) => showStatus(context, options) });
  });
}

function addUnlock(program: Command, onParsed: OnParsed): void {
  addVerb(program, 'unlock', 'free the slot of a node of the pool that no longer exists')
    .argument('<node>', 'its name')
    .option('--reason <text>', 'the reason, for the audit log; required')
    .action((node: string, { reason }: { reason?: string }) => {
      onParsed({ name: 'unlock', work: async (context) => unlock(node, reason, context) });
    });
}

function addCheck(program: Command, onParsed: OnParsed): void {
  addVerb(program, 'check', 'is the configuration file right? touches nothing else').action(() => {
    onParsed({ name: 'check', work: async (context) => (await import('./check.ts')).check(context) });
  });
}

function addInit(program: Command, onParsed: OnParsed): void {
  const text = 'write a commented configuration from what a live HAProxy and this machine show';
  addInitOptions(addVerb(program, 'init', text)).action((options: InitCommandOptions) => {
    onParsed({
      name: 'init',
      work: async (context) => (await import('./rare-commands.ts')).createConfiguration(options, context),
    });
  });
}

function addDoctor(program: Command, onParsed: OnParsed): void {
  const text = 'asks HAProxy, the application and this machine: will a drain be honest here?';
  const verb = addVerb(program, 'doctor', text)
    .option('--haproxy-config <file>', 'haproxy.cfg, for what no socket shows')
    .option(
      '--live <url>',
      'a trial: DRAIN for as long as two requests to this frontend take, then what was found is put back',
    );
  addDirectDoctorOptions(verb).action((options: DoctorOptions) => {
    onParsed({
      name: 'doctor',
      work: async (context) => (await import('./rare-commands.ts')).doctor(options, context),
    });
  });
}

function addCompletion(program: Command, onParsed: OnParsed): void {
  const shell = new Argument('<shell>', 'bash, zsh or fish').choices([
    'bash',
    'zsh',
    'fish',
  ] satisfies Shell[]);
  addVerb(program, 'completion', 'a script that completes commands and options in your shell')
    .addArgument(shell)
    .action((name: Shell) => {
      onParsed({
        name: 'completion',
        work: async ({ ports }) => {
          const { completionFor } = await import('./rare-commands.ts');
          const whole = createProgram(ports, null, () => undefined);
          ports.stdout.write(completionFor(name, whole));
          return 0;
        },
      });
    });
}

/** The command that the scripts of `completion` call: no user types it, so no help shows it. */
function addCompleteWords(program: Command, onParsed: OnParsed): void {
  program
    .command('complete-words', { hidden: true })
    .addArgument(new Argument('<kind>').choices(WORD_KINDS))
    .argument('<line>', 'what has been typed so far')
    .action((kind: WordKind, line: string) => {
      onParsed({
        name: 'complete-words',
        work: async ({ ports }) => {
          const { completeWords } = await import('./rare-commands.ts');
          for (const name of await completeWords(kind, line, ports)) ports.stdout.write(`${name}\n`);
          return 0;
        },
      });
    });
}
