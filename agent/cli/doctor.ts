import type { Diagnosis } from '../doctor/diagnosis.ts';
import { urlProblem } from '../config/validators.ts';
import { EXIT_CODES, LastcallError } from '../system/error.ts';
import { listenForInterrupts } from './interrupt.ts';
import type { Context, DoctorRequest } from './ports.ts';
import { readSidecarConfig } from './run.ts';
import { diagnosisLines } from './view/doctor.ts';
import { printableIn } from './view/printable.ts';
import { INTERRUPTED } from './view/result.ts';

/** The options of `doctor`, as commander hands them over. */
export interface DoctorOptions {
  readonly haproxyConfig?: string;
  /** URL of a frontend. */
  readonly live?: string;
}

/**
 * `lastcall doctor`: every trap of this setup, as this user sees it now.
 * @returns the exit code: 0 when no trap breaks the promise, 69 when no balancer could be reached
 * @throws LastcallError `config`, `usage`; `interrupted` where a trial drain was not given the time to put back what it found
 */
export async function doctor(options: DoctorOptions, context: Context): Promise<number> {
  const { haproxyConfig: haproxyFile = null, live: url } = options;
  const wrong = url === undefined ? undefined : urlProblem(url);
  if (wrong !== undefined)
    throw new LastcallError('usage', `--live ${JSON.stringify(url)} ${wrong}`, {
      next: 'give the URL of a frontend that leads to this node',
    });
  const { config } = await readSidecarConfig(context, null);
  const request = { config, haproxyFile, env: context.ports.env };
  if (url === undefined) return report(await context.ports.doctor({ ...request, live: null }), context);
  return onTrial({ ...request, url }, context);
}

/** The first signal ends the trial and puts back what was found; the second one ends this command. */
async function onTrial(
  { url, ...request }: Omit<DoctorRequest, 'live'> & { readonly url: string },
  context: Context,
): Promise<number> {
  const { ports } = context;
  const early = new AbortController();
  const interrupts = listenForInterrupts(ports, () => {
    early.abort(new LastcallError('interrupted', 'it was interrupted'));
    return true;
  });
  const ended = new Promise<never>((_resolve, reject) => {
    interrupts.signal.addEventListener('abort', () => reject(interrupts.signal.reason as Error), {
      once: true,
    });
  });
  try {
    const looked = ports.doctor({ ...request, live: { url, signal: early.signal } });
    const code = report(await Promise.race([looked, ended]), context);
    return interrupts.first === null ? code : INTERRUPTED[interrupts.first];
  } finally {
    interrupts.end();
  }
}

function report(diagnosis: Diagnosis, { ports, globals }: Context): number {
  if (globals.json === true) ports.stdout.write(`${JSON.stringify(diagnosis)}\n`);
  else {
    const lines = diagnosisLines(printableIn(diagnosis), { quiet: globals.quiet === true });
    ports.stdout.write(lines.map((line) => `${line}\n`).join(''));
  }
  return EXIT_CODES[diagnosis.code];
}
