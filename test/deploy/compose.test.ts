import { describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import type { Config } from '../../agent/config/config.ts';
import { configOf } from '../config/support.ts';
import { textOf } from '../support/repository.ts';
import { packageRoot } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';

/** The parts of the sample for Docker Compose that have to fit each other, and the haproxy.cfg that it mounts. */

const execute = promisify(execFile);
const FOLDER = 'deploy/samples/compose';

interface Service {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly init?: boolean;
  readonly stop_grace_period?: string;
}

const { services } = parse(textOf(`${FOLDER}/compose.yaml`), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
};
const NODES = Object.entries(services).filter(([name]) => name !== 'lb');

/** The configuration as this node's container reads it. */
function configuration({ environment }: Service): Promise<Config> {
  return configOf(textOf(`${FOLDER}/lastcall.yaml`), { env: environment, supervised: true });
}

describe('The sample for Docker Compose', () => {
  test('is understood by docker-compose', async () => {
    try {
      await execute('docker-compose', ['version']);
    } catch {
      return skipped('docker-compose does not run here (Debian: apt-get install docker-compose)');
    }
    const words = ['-f', join(packageRoot(), FOLDER, 'compose.yaml'), 'config', '-q'];
    await expect(execute('docker-compose', words)).resolves.toMatchObject({ stdout: '' });
  });

  test.each(NODES)(
    '%s: lastcall starts the application, and has the time for its drain',
    async (name, service) => {
      const config = await configuration(service);
      expect(config).toMatchObject({ node: name, balancers: [{ servers: [`app/${name}`] }] });
      expect(service.command.slice(0, 2)).toEqual(['lastcall', 'run']);
      expect(service.command).toContain('--');
      expect(service.init).toBe(true);
      const graceMs = Number(/^(\d+)m$/.exec(service.stop_grace_period ?? '')?.[1]) * 60_000;
      expect(graceMs).toBeGreaterThan(config.drain.timeoutMs);
    },
  );

  test('gives haproxy.cfg values that it reads, and servers that it has', async () => {
    const sample = textOf('haproxy/haproxy.cfg');
    const names = Object.keys(services['lb']?.environment ?? {});
    expect(names.length).toBeGreaterThan(3);
    for (const name of names) expect(sample).toMatch(new RegExp(`presetenv ${name} |defined\\(${name}\\)`));
    for (const [name, service] of NODES) {
      expect(sample).toContain(`server ${name} "`);
      const { listen, balancers } = await configuration(service);
      expect(sample).toContain(`presetenv ${name.toUpperCase()}_AGENT   ${listen.agentCheck?.port}`);
      expect(balancers).toMatchObject([{ address: 'unix:/run/haproxy/admin.sock' }]);
    }
  });
});
