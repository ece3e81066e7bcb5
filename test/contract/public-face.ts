import type { Option } from 'commander';
import { INTERRUPTED } from '../../agent/cli/view/result.ts';
import { createProgram } from '../../agent/cli/commands.ts';
import { HOOK_PATHS } from '../../agent/control/hooks-server.ts';
import { ENDPOINTS } from '../../agent/control/routes.ts';
import { REQUEST_KEYS } from '../../agent/control/parse-request.ts';
import { EXIT_CODES } from '../../agent/system/error.ts';
import { configKeys } from '../support/config-keys.ts';
import { metricNames } from '../support/metric-names.ts';
import { keysOfType, readDeclarations, type TypeKeys } from '../support/type-keys.ts';

/** Everything that a user, a deploy script or a monitor relies on, as the program itself has it, in readable lines. */
export async function publicFace(): Promise<string> {
  const types = readDeclarations('lifecycle');
  const sections: Record<string, readonly string[]> = {
    'Commands and options': commandLines(),
    'Codes and exit codes': Object.entries(EXIT_CODES).map(([code, exit]) => `${code}: ${exit}`),
    'Signals and exit codes': Object.entries(INTERRUPTED).map(([signal, exit]) => `${signal}: ${exit}`),
    'Keys of the configuration, times in milliseconds': configKeys().map(([path, about]) =>
      about === '' ? path : `${path}: ${about}`,
    ),
    'Paths of the control socket': ENDPOINTS,
    'Paths of listen.hooks, by GET and POST': HOOK_PATHS,
    'Keys of POST /v1/operations': REQUEST_KEYS,
    'Keys of a status': keyLines(keysOfType(types, 'Status')),
    'Keys of a result': keyLines(keysOfType(types, 'Result')),
    'Keys of a diagnosis': keyLines(keysOfType(readDeclarations('doctor'), 'Diagnosis')),
    'Keys of /v1/holders': keyLines(keysOfType(types, 'HoldersReport')),
    'Keys of /v1/pool': keyLines(keysOfType(types, 'PoolReport')),
    Metrics: (await metricNames()).map(([name, type]) => `${name}: ${type}`),
  };
  return Object.entries(sections)
    .map(([title, lines]) => `${title}\n${lines.map((line) => `  ${line}\n`).join('')}`)
    .join('\n');
}

function keyLines(keys: TypeKeys): string[] {
  return keys.map(([path, type]) => `${path}: ${type}`);
}

/** The texts beside them are pinned by the snapshots of test/cli/program.test.ts. */
function commandLines(): string[] {
  const program = createProgram(NO_PORTS, null, () => undefined);
  return [program, ...program.commands].flatMap((command) => [
    command === program ? 'lastcall' : `lastcall ${command.name()}`,
    ...command.options.map((option) => `  ${optionLine(option)}`),
  ]);
}

function optionLine({ flags, argChoices, hidden }: Option): string {
  const choices = argChoices === undefined ? '' : ` (${argChoices.join(', ')})`;
  return `${flags}${choices}${hidden ? ' (not in the help)' : ''}`;
}

/** The program is only asked for its words: nothing of this is called. */
const NO_PORTS: Parameters<typeof createProgram>[0] = {
  stdout: { write: () => undefined },
  version: () => '',
};
