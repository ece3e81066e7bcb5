import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrapProof } from './trap-proofs.ts';

/** A copy of the sources, in which one fault after another is put into doctor, and a test is run. */

/** A fault in one file of the copy. */
export interface SourceChange {
  /** From the directory of package.json on. */
  readonly file: string;
  /** @throws Error where the text has not what is to be changed */
  readonly apply: (text: string) => string;
}

/** How a run of tests ended. */
export interface RunOutcome {
  /** The full names of the tests that passed. */
  readonly passed: readonly string[];
  /** What the failed tests say, each with its name. */
  readonly failures: readonly string[];
  /** What jest said, for a run that did not come to its tests. */
  readonly log: string;
}

/** A checkout of its own, without git. */
export interface SourceCopy {
  /** Runs jest on the copy with the change in it, and takes the change back. */
  run(change: SourceChange | null, words: readonly string[]): Promise<RunOutcome>;
  remove(): Promise<void>;
}

/** What the sources need of the checkout when they run as tests. */
const COPIED = ['agent', 'test', 'haproxy', 'deploy', 'package.json', 'package-lock.json'];
const LINKED = ['node_modules', 'dist/test'];
const JEST = [
  '--import',
  './test/strict.mjs',
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
  '--globalTeardown',
  './test/no-orphans.mjs',
  '--runInBand',
  '--testTimeout',
  '300000',
];

/** @param root the directory of package.json, with a build in dist */
export async function copySources(root: string): Promise<SourceCopy> {
  const dir = await mkdtemp(join(tmpdir(), 'lastcall-trap-'));
  await mkdir(join(dir, 'dist'));
  for (const name of COPIED) await cp(join(root, name), join(dir, name), { recursive: true });
  for (const name of LINKED) await symlink(join(root, name), join(dir, name));
  return {
    async run(change, words) {
      const path = change && join(dir, change.file);
      const before = path === null ? '' : await readFile(path, 'utf8');
      if (change !== null && path !== null) await writeFile(path, change.apply(before));
      try {
        return await runJest(dir, words);
      } finally {
        if (path !== null) await writeFile(path, before);
      }
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

interface MutantRunReport {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** One test at a time, with time enough for a machine whose owner has put this run behind all others. */
async function runJest(dir: string, words: readonly string[]): Promise<RunOutcome> {
  const report = join(dir, 'report.json');
  await rm(report, { force: true });
  // The mark of this run is not that of the outer one: the roll-call at its end asks for its own processes.
  const { LASTCALL_TEST_RUN: _mark, ...env } = process.env;
  const args = [...JEST, '--json', '--outputFile', report, ...words];
  const child = spawn(process.execPath, args, { cwd: dir, env, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (log += chunk));
  await once(child, 'close');
  if (!existsSync(report)) throw new Error(`jest ended without a report: ${log}`);
  const { testResults } = JSON.parse(await readFile(report, 'utf8')) as MutantRunReport;
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const passed = all.filter(({ status }) => status === 'passed').map(({ fullName }) => fullName);
  const failures = all
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages.join('\n')}`);
  return { passed, failures, log };
}

/** The words by which jest runs the test of a proof alone. */
export function wordsOf({ file, test }: TrapProof): string[] {
  return [`test/${file}`, '--testNamePattern', test.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)];
}

const LAST = '  ...SYSTEM_TRAPS,\n];';

/** The table of traps without one: it is looked for, and one `part` of what is seen of it is dropped. */
export function withoutTrap(id: string, part: 'found' | 'unseen'): SourceChange {
  const map = `(trap) => trap.id !== '${id}' ? trap : { ...trap, look: (examined) => ({ ...trap.look(examined), ${part}: [] }) }`;
  return {
    file: 'agent/doctor/table.ts',
    apply(text) {
      const [table = '', after, ...more] = text.split(LAST);
      if (after === undefined || more.length > 0)
        throw new Error(`the table of traps does not end with ${LAST}`);
      return `${table}${LAST.replace(';', `.map(${map});`)}${after}`;
    },
  };
}

/** What a trap says where it cannot look. */
const UNSEEN = /(?<![\w.]|function )unseen\(/g;
const IS_FINE = '((..._why: readonly string[]) => ({ found: [], unseen: [] }))(';

/** Each place of a file of doctor at which a trap says that it could not be looked for: there it says that all is well. */
export function takenForFine(file: string, text: string): (SourceChange & { readonly place: string })[] {
  return [...text.matchAll(UNSEEN)].map(({ index, 0: call }) => ({
    file,
    place: `${file}:${text.slice(0, index).split('\n').length}`,
    apply: () => `${text.slice(0, index)}${IS_FINE}${text.slice(index + call.length)}`,
  }));
}

/**
 * Did the test fail because of what it expects? One that came too late, or threw, shows nothing of the trap.
 * @returns the reasons why it shows nothing; empty = it does
 */
export function notByExpectation({ failures, log }: RunOutcome): string[] {
  if (failures.length === 0) return [`no test has failed: ${log}`];
  return failures.filter((text) => !text.includes('expect(') || text.includes('Exceeded timeout'));
}
