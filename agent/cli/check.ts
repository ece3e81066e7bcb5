import { problemLine } from '../config/problem.ts';
import { checkReport } from '../config/report.ts';
import { EXIT_CODES } from '../system/error.ts';
import { printableLine } from './view/printable.ts';
import type { Context } from './ports.ts';
import { readConfigFile } from './find-sidecar.ts';

/**
 * `lastcall check`: every problem of the configuration file with its place.
 * @returns the exit code
 * @throws LastcallError `config` when the file cannot be read
 */
export async function check(context: Context): Promise<number> {
  const { ports, globals } = context;
  const { file, loaded } = await readConfigFile(context, false);
  const report = checkReport(file, loaded);
  if (globals.json === true) ports.stdout.write(`${JSON.stringify(report)}\n`);
  if (!loaded.ok) {
    for (const problem of loaded.problems) ports.stderr.write(`${printableLine(problemLine(problem))}\n`);
  } else if (globals.json !== true && globals.quiet !== true) {
    for (const warning of loaded.warnings)
      ports.stderr.write(`lastcall: warning: ${printableLine(warning)}\n`);
    ports.stdout.write(`${printableLine(`${file}: ok (node ${loaded.config.node})`)}\n`);
  }
  return EXIT_CODES[report.code];
}
