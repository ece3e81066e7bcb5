import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';

/** Imports point down. This table is the architecture; agent/ARCHITECTURE.md has the reasons. */

const AGENT = resolve(import.meta.dirname, '../agent');

/** What a room may import when the program runs, besides itself (a file of it alone, where one is named). `types` may come from further: they are erased. */
const ROOMS: Record<string, { readonly run: readonly string[]; readonly types: readonly string[] }> = {
  system: { run: ['node:', 'winston', 'axios'], types: [] },
  lifecycle: { run: [], types: ['system/error.ts'] },
  formats: { run: ['node:vm', 'system/error.ts', 'system/printable.ts'], types: [] },
  config: {
    run: ['node:', 'system', 'haproxy', 'formats', 'yaml', 'zod', 'node-cron', 'lifecycle/model/phase.ts'],
    types: ['lifecycle'],
  },
  haproxy: { run: ['node:', 'system', 'csv-parse'], types: ['lifecycle'] },
  probes: { run: ['node:', 'system'], types: ['config'] },
  balancers: {
    run: ['node:', 'system', 'haproxy', 'lifecycle/model/phase.ts'],
    types: ['config', 'lifecycle'],
  },
  sessions: { run: ['node:', 'system', 'haproxy', 'formats'], types: ['config'] },
  app: { run: ['node:', 'system'], types: ['config', 'lifecycle'] },
  journal: { run: ['node:', 'system'], types: ['lifecycle'] },
  hooks: { run: ['node:', 'system'], types: ['config', 'lifecycle'] },
  fleet: { run: ['node:', 'system', 'lifecycle/recovery/json-guards.ts'], types: ['config', 'lifecycle'] },
  engine: {
    run: ['lifecycle', 'system', 'node-cron'],
    types: ['config', 'balancers', 'probes', 'sessions', 'app', 'journal', 'hooks', 'fleet'],
  },
  telemetry: {
    run: ['node:', 'system', 'prom-client', 'lifecycle/model/phase.ts'],
    types: ['config', 'engine', 'lifecycle', 'hooks'],
  },
  control: {
    run: ['node:', 'system', 'config', 'formats', 'lifecycle/model/phase.ts'],
    types: ['engine', 'lifecycle'],
  },
  init: {
    run: [
      'node:',
      'system',
      'haproxy',
      'config/validators.ts',
      'balancers/runtime-api/related-servers.ts',
      'balancers/runtime-api/survey-facts.ts',
    ],
    types: ['lifecycle'],
  },
  doctor: {
    run: [
      'node:',
      'system',
      'haproxy',
      'formats/duration.ts',
      'lifecycle/model/objection.ts',
      'lifecycle/model/phase.ts',
      'app/systemd-unit.ts',
    ],
    types: ['config', 'lifecycle', 'sessions', 'probes'],
  },
  cli: {
    run: [
      'node:',
      'system',
      'config',
      'control',
      'formats',
      'haproxy',
      'init',
      'commander',
      'lifecycle/model/objection.ts',
      'lifecycle/model/phase.ts',
    ],
    types: ['engine', 'lifecycle', 'doctor'],
  },
};

/** The floors of the lifecycle, the highest first: a folder, or a file of none. A file imports from its own folder and from lower floors, types too. */
const FLOORS = [
  'step.ts',
  'timing.ts',
  'recovery',
  'admission',
  'phases',
  'report',
  'sync',
  'observed',
  'step-draft.ts',
  'model',
];

/** Rooms whose drivers stand side by side: none of them knows another but by its contract or the room's own maker. */
const DRIVERS = ['probes', 'sessions', 'app', 'balancers', 'fleet'];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const resolved = (to: string): string =>
    to.startsWith('.') ? relative(AGENT, resolve(dirname(file), to)) : to;
  const from = relative(AGENT, file);
  const fixed = [...text.matchAll(/^(?:import|export)\s([^;]*?)\sfrom '([^']+)'|^import '([^']+)'/gms)];
  const lazy = [...text.matchAll(/\bimport\('([^']+)'\)/g)];
  return [
    ...fixed.map(([, names = '', to, bare]) => ({
      from,
      to: resolved(to ?? bare ?? ''),
      typeOnly: isTypeOnly(names),
      lazy: false,
    })),
    ...lazy.map(([, to]) => ({ from, to: resolved(to ?? ''), typeOnly: false, lazy: true })),
  ];
}

/** `import type {...}` and `import { type A, type B }` are erased by the compiler. */
function isTypeOnly(names: string): boolean {
  if (/^type\s/.test(names)) return true;
  const inner = /^\{(.*)\}$/s.exec(names.trim())?.[1];
  return (
    inner !== undefined && inner.split(',').every((name) => name.trim() === '' || /^\s*type\s/.test(name))
  );
}

function roomOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : '(composers)';
}

function isAllowed(rule: readonly string[], to: string): boolean {
  const isOurs = to.endsWith('.ts');
  return rule.some((name) =>
    isOurs
      ? roomOf(to) === name || to === name
      : to === name || to.startsWith(name === 'node:' ? name : `${name}/`),
  );
}

const ALL = files(AGENT).flatMap(importsOf);

describe('the architecture', () => {
  test('names every room, and no room that is gone', () => {
    const rooms = new Set(files(AGENT).map((file) => roomOf(relative(AGENT, file))));
    rooms.delete('(composers)');
    expect([...rooms].sort()).toEqual(Object.keys(ROOMS).sort());
  });

  test.each(Object.entries(ROOMS))('%s imports only what stands below it', (room, { run, types }) => {
    const wrong = ALL.filter(({ from }) => roomOf(from) === room)
      .filter(({ to }) => !to.endsWith('.ts') || roomOf(to) !== room)
      .filter(({ to, typeOnly }) => !isAllowed(typeOnly ? [...run, ...types] : run, to))
      .map(({ from, to, typeOnly }) => `${from} -> ${typeOnly ? 'type ' : ''}${to}`);
    expect(wrong).toEqual([]);
  });

  test('the lifecycle imports from lower floors only, types too', () => {
    const floorOf = (path: string): string => path.split('/')[1] ?? '';
    const all = ALL.filter(({ from }) => roomOf(from) === 'lifecycle');
    expect([...new Set(all.map(({ from }) => floorOf(from)))].sort()).toEqual([...FLOORS].sort());
    const wrong = all
      .filter(({ to }) => roomOf(to) === 'lifecycle')
      .filter(({ from, to }) => floorOf(from) !== floorOf(to))
      .filter(({ from, to }) => FLOORS.indexOf(floorOf(to)) <= FLOORS.indexOf(floorOf(from)))
      .map(({ from, to }) => `${from} -> ${to}`);
    expect(wrong).toEqual([]);
  });

  test('only the composers know the composers', () => {
    const wrong = ALL.filter(
      ({ from, to }) => to.endsWith('.ts') && roomOf(to) === '(composers)' && roomOf(from) !== '(composers)',
    );
    expect(wrong).toEqual([]);
  });

  test('no driver imports another driver', () => {
    const drivers = files(AGENT)
      .map((file) => ({ name: relative(AGENT, file), text: readFileSync(file, 'utf8') }))
      .filter(
        ({ name, text }) =>
          DRIVERS.includes(roomOf(name)) &&
          /export (?:async )?function create\w+(Probe|Source|Stopper|Balancer|Lock)\b/.test(text),
      )
      .map(({ name }) => name)
      .filter((name) => !name.endsWith('/create.ts'));
    expect(drivers.length).toBeGreaterThan(5);
    const wrong = ALL.filter(
      ({ from, to, typeOnly }) => drivers.includes(from) && drivers.includes(to) && from !== to && !typeOnly,
    );
    expect(wrong).toEqual([]);
  });

  test('no folder of a room of drivers imports another, and of the room its maker alone imports them', () => {
    const folderOf = (path: string): string => dirname(path);
    const folders = new Set(
      files(AGENT)
        .map((file) => folderOf(relative(AGENT, file)))
        .filter((folder) => folder.includes('/') && DRIVERS.includes(roomOf(folder))),
    );
    expect([...folders].sort()).toEqual([
      'balancers/agent-check',
      'balancers/health-port',
      'balancers/runtime-api',
      'fleet/etcd',
    ]);
    const wrong = ALL.filter(({ from, to }) => roomOf(from) === roomOf(to) && folders.has(folderOf(to)))
      .filter(({ from, to }) => folderOf(from) !== folderOf(to) && !from.endsWith('/create.ts'))
      .map(({ from, to }) => `${from} -> ${to}`);
    expect(wrong).toEqual([]);
  });

  test('the way to `lastcall status` loads no package, and the way to an operation commander alone', () => {
    const packages = [
      'axios',
      'commander',
      'winston',
      'zod',
      'yaml',
      'node-cron',
      'csv-parse',
      'prom-client',
    ];
    const loadedFrom = (...entries: readonly string[]): string[] => {
      const seen = new Set<string>();
      const visit = (file: string): void => {
        if (seen.has(file)) return;
        seen.add(file);
        for (const { from, to, typeOnly, lazy } of ALL) if (from === file && !typeOnly && !lazy) visit(to);
      };
      for (const entry of entries) visit(entry);
      return packages.filter((one) => [...seen].some((name) => name.startsWith(one)));
    };
    expect(loadedFrom('main.ts', 'cli/plain-line.ts')).toEqual([]);
    expect(loadedFrom('cli/parse.ts', 'cli/status.ts', 'cli/operate.ts')).toEqual(['commander']);
  });

  test('only main.ts touches the arguments, the environment and the exit code of the process', () => {
    const wrong = files(AGENT)
      .filter((file) => relative(AGENT, file) !== 'main.ts')
      .filter((file) => /process\.(argv|env|exit|exitCode)\b/.test(readFileSync(file, 'utf8')))
      .map((file) => relative(AGENT, file));
    expect(wrong).toEqual([]);
  });
});
