import { describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { BOUNDS } from '../../agent/config/bounds.ts';
import { configJsonSchema } from '../../agent/config/json-schema.ts';
import { KEY_TEXTS } from '../../agent/config/key-texts.ts';
import { isValid } from '../support/json-schema.ts';
import { packageRoot } from '../support/sample.ts';
import { MINIMAL, problemsOf } from './support.ts';

/** What an editor knows of the configuration. */

const FILE = join(packageRoot(), 'deploy', 'lastcall.schema.json');
const SAMPLE = join(packageRoot(), 'deploy', 'lastcall.yaml');
const SCHEMA = configJsonSchema();

describe('deploy/lastcall.schema.json', () => {
  test('is what the program accepts now (LASTCALL_PIN=1 writes it)', async () => {
    const text = `${JSON.stringify(SCHEMA, null, 1)}\n`;
    if (process.env['LASTCALL_PIN'] === '1') await writeFile(FILE, text);
    expect(await readFile(FILE, 'utf8')).toBe(text);
  });

  test('says what each key is, and no key that there is not', () => {
    const keys = [...keysOf(SCHEMA, '')];
    expect(keys.filter(([, { description }]) => (description ?? '') === '').map(([path]) => path)).toEqual(
      [],
    );
    const paths = new Set(keys.map(([path]) => path));
    expect(paths.size).toBeGreaterThan(150);
    expect(Object.keys(KEY_TEXTS).filter((path) => !paths.has(path))).toEqual([]);
  });

  test('bounds each number, and its text says how', () => {
    const numbers = [...keysOf(SCHEMA, '')].flatMap(([path, { description = '', anyOf = [] }]) => {
      const found = anyOf.find(({ type }) => type === 'integer');
      return found === undefined ? [] : [{ path, description, least: found.minimum, most: found.maximum }];
    });
    expect(numbers.length).toBeGreaterThan(15);
    for (const { path, description, least, most } of numbers) {
      expect({ path, least, most }).toEqual({ path, least: expect.any(Number), most: expect.any(Number) });
      if (Object.hasOwn(BOUNDS, path)) expect(description).toContain(`${least} to ${most}`);
      else expect({ path, isKnown: most === 599 || most === 65_535 }).toEqual({ path, isKnown: true });
    }
  });

  test('is named in the first line of the sample, and accepts it', async () => {
    const text = await readFile(SAMPLE, 'utf8');
    expect(text).toMatch(/^# yaml-language-server: \$schema=lastcall\.schema\.json\n/);
    expect(isValid(SCHEMA, parse(text))).toBe(true);
  });

  test('refuses an unknown key in each mapping of the sample', async () => {
    const sample = parse(await readFile(SAMPLE, 'utf8')) as unknown;
    const mappings = mappingsOf(sample);
    expect(mappings.length).toBeGreaterThan(25);
    for (const mapping of mappings) {
      mapping['unknwon'] = 1;
      expect({ mapping, isValid: isValid(SCHEMA, sample) }).toEqual({ mapping, isValid: false });
      delete mapping['unknwon'];
    }
    expect(isValid(SCHEMA, sample)).toBe(true);
  });
});

interface Described {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Described>>;
  readonly items?: Described;
  readonly anyOf?: readonly Described[];
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Every key of a schema with its path, as KEY_TEXTS names it. */
function* keysOf(
  { properties = {}, items, anyOf = [] }: Described,
  path: string,
): Generator<[string, Described]> {
  for (const [key, one] of Object.entries(properties)) {
    const own = path === '' ? key : `${path}.${key}`;
    yield [own, one];
    yield* keysOf(one, own);
  }
  if (items !== undefined) yield* keysOf(items, `${path}[]`);
  for (const one of anyOf) yield* keysOf(one, path);
}

function mappingsOf(value: unknown): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.values(value).flatMap(mappingsOf);
  return Array.isArray(value) ? below : [value as Record<string, unknown>, ...below];
}

describe('An editor and `check` agree that this is right:', () => {
  test.each([
    'drain:\n  timeout: ${DEADLINE:-5m}\n  keep: ${KEEP:-2}\n  keepBackups: ${BACKUPS:-true}',
    'app:\n  probe:\n    tcp: ${PORT:-8080}\n    rise: ${RISE:-3}',
    'sticky: true',
    'sticky: "${STICKY:-auto}"',
    'drain: { expires: never, quiet: 0s }',
    'app: { probe: { tcp: 8080 } }',
    'app: { probe: { tcp: "127.0.0.1:8080", every: 1m30s } }',
    'app: { probe: { command: [/bin/check, 8080] } }',
    'app: { stop: { command: [/bin/stop], gone: { port: 8080 } } }',
    'listen: { control: /run/a.sock, health: "0.0.0.0:7002" }',
    'listen: { control: { path: /run/a.sock, mode: "0660" } }',
    'sessions: [{ http: { url: "http://127.0.0.1/", headers: { Host: shop } } }, { tcp: 8080 }]',
    'sessions: [{ http: { url: "http://${HOST:-127.0.0.1}/", json: "" }, timeout: 2s }]',
  ])('%s', async (text) => {
    expect(await problemsOf(`${MINIMAL}${text}\n`)).toEqual([]);
    expect(isValid(SCHEMA, parse(`${MINIMAL}${text}\n`))).toBe(true);
  });
});

describe('An editor and `check` agree that this is wrong:', () => {
  test.each([
    'drain: { timeout: 30 }',
    'drain: { timeout: 30 s }',
    'drain: { onTimeout: shrug }',
    'drain: { keep: -1 }',
    'drain: { keepBackups: "yes" }',
    'app: { probe: { tcp: 8080, http: { url: "http://a" } } }',
    'app: { stop: { kubernetes: x } }',
    'sessions: [{ redis: x }]',
    'sessions: { tcp: 8080 }',
    'listen: { control: { mode: 660 } }',
    'pool: { slots: 1 }',
    'node:',
  ])('%s', async (text) => {
    expect(await problemsOf(`${MINIMAL}${text}\n`)).not.toEqual([]);
    expect(isValid(SCHEMA, parse(`${MINIMAL}${text}\n`))).toBe(false);
  });
});
