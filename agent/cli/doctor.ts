import type { Diagnosis } from '../doctor/diagnosis.ts';
import { urlProblem } from '../config/validators.ts';
import { EXIT_CODES, LastcallError, messageOf } from '../system/error.ts';
import { type Interruption, listenForInterrupts } from './interrupt.ts';
import type { Context, DoctorRequest, DoctorSetup, LiveRequest } from './ports.ts';
import { readDirectDoctor } from './direct-options.ts';
import type { VerbOptions } from './options.ts';
import { readSidecarConfig } from './run.ts';
import { diagnosisLines } from './view/doctor.ts';
import { printableIn } from './view/printable.ts';
import { INTERRUPTED } from './view/result.ts';

/** The options of `doctor`, as commander hands them over. */
export interface DoctorOptions extends Omit<VerbOptions, 'wait'> {
  readonly haproxyConfig?: string;
  /** URL of a frontend. */
  readonly live?: string;
}

/**
 * `lastcall doctor`: every trap of this setup, as this user sees it now. With `--haproxy` there is neither a file nor a
 * sidecar: what the flags of direct mode say is all that is known of the node.
 * @returns the exit code: 0 when no trap breaks the promise, 69 when no balancer could be reached
 * @throws LastcallError `config`, `usage`; `interrupted` where a trial drain was not given the time to put back what it found
 */
export async function doctor(options: DoctorOptions, context: Context): Promise<number> {
  const { haproxyConfig: haproxyFile = null, live: url, ...flags } = options;
  const wrong = url === undefined ? undefined : urlProblem(url);
  if (wrong !== undefined)
    throw new LastcallError('usage', `--live ${JSON.stringify(url)} ${wrong}`, {
      next: 'give the URL of a frontend that leads to this node',
    });
  const request = { setup: await setupOf(flags, context), haproxyFile, env: context.ports.env };
  if (url === undefined) return report(await context.ports.doctor({ ...request, live: null }), context);
  return onTrial({ ...request, url }, context);
}

async function setupOf(flags: Omit<VerbOptions, 'wait'>, context: Context): Promise<DoctorSetup> {
  const direct = readDirectDoctor(flags, context.globals);
  if (direct !== null) return { kind: 'flags', ...direct };
  const { config } = await readSidecarConfig(context, null);
  return { kind: 'file', config };
}

/** The first signal ends the trial and puts back what was found; the second one ends this command. */
async function onTrial(
  { url, ...request }: Omit<DoctorRequest, 'live'> & { readonly url: string },
  context: Context,
): Promise<number> {
  const { ports } = context;
  const early = new AbortController();
  let left = (): readonly string[] | null => null;
  const interrupts = listenForInterrupts(ports, () => {
    early.abort(new LastcallError('interrupted', 'it was interrupted'));
    return true;
  });
  const ended = new Promise<never>((_resolve, reject) => {
    interrupts.signal.addEventListener('abort', () => reject(interrupted(interrupts, left())), {
      once: true,
    });
  });
  const onBegun: LiveRequest['onBegun'] = (servers) => {
    left = servers;
  };
  try {
    const live = { url, signal: early.signal, last: interrupts.signal, onBegun };
    const looked = ports.doctor({ ...request, live });
    const code = report(await Promise.race([looked, ended]), context);
    return interrupts.first === null ? code : INTERRUPTED[interrupts.first];
  } finally {
    interrupts.end();
  }
}

/** @param left the servers that the trial has not put back; null = no trial had begun */
function interrupted({ signal }: Interruption, left: readonly string[] | null): LastcallError {
  const what = `${messageOf(signal.reason)}: `;
  if (left === null) return new LastcallError('interrupted', `${what}no trial drain had begun`);
  const names =
    left.length > 0 ? `not restored: ${left.join(', ')}` : 'the end of the trial drain was not seen';
  return new LastcallError('interrupted', `${what}${names}`, {
    next: 'see `lastcall status`, and set what is not as it was in HAProxy',
  });
}

function report(diagnosis: Diagnosis, { ports, globals }: Context): number {
  if (globals.json === true) ports.stdout.write(`${JSON.stringify(diagnosis)}\n`);
  else {
    const lines = diagnosisLines(printableIn(diagnosis), { quiet: globals.quiet === true });
    ports.stdout.write(lines.map((line) => `${line}\n`).join(''));
  }
  return EXIT_CODES[diagnosis.code];
}
