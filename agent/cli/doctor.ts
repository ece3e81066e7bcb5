import { EXIT_CODES } from '../system/error.ts';
import type { Context } from './ports.ts';
import { readSidecarConfig } from './run.ts';
import { diagnosisLines } from './view/doctor.ts';
import { printableIn } from './view/printable.ts';

/** The options of `doctor`, as commander hands them over. */
export interface DoctorOptions {
  readonly haproxyConfig?: string;
}

/**
 * `lastcall doctor`: every trap of this setup, as this user sees it now.
 * @returns the exit code: 0 when no trap breaks the promise, 69 when no balancer could be reached
 * @throws LastcallError `config`
 */
export async function doctor(options: DoctorOptions, context: Context): Promise<number> {
  const { ports, globals } = context;
  const { config } = await readSidecarConfig(context, null);
  const { haproxyConfig: haproxyFile = null } = options;
  const diagnosis = await ports.doctor({ config, haproxyFile, env: ports.env });
  if (globals.json === true) ports.stdout.write(`${JSON.stringify(diagnosis)}\n`);
  else {
    const lines = diagnosisLines(printableIn(diagnosis), { quiet: globals.quiet === true });
    ports.stdout.write(lines.map((line) => `${line}\n`).join(''));
  }
  return EXIT_CODES[diagnosis.code];
}
