import { describe, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Config } from '../../agent/config/config.ts';
import { loadConfig } from '../../agent/config/load.ts';
import { HOOK_PATHS } from '../../agent/control/hooks-server.ts';
import { packageRoot } from '../support/sample.ts';

/** The parts of the shipped manifests that have to fit each other. */

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec?: { readonly template: { readonly spec: Pod } };
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly secret?: { readonly defaultMode: number } }[];
}

interface Container {
  readonly name: string;
  readonly restartPolicy?: string;
  readonly command?: readonly string[];
  readonly env?: readonly { readonly name: string }[];
  readonly lifecycle?: {
    readonly preStop: {
      readonly httpGet: {
        readonly path: string;
        readonly port: number;
        readonly httpHeaders: readonly { readonly name: string; readonly value: string }[];
      };
    };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

async function manifests() {
  const text = await readFile(join(packageRoot(), 'deploy/kubernetes/statefulset.yaml'), 'utf8');
  const documents = parseAllDocuments(text, { version: '1.1' });
  expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
  const all = documents.map((document) => document.toJS() as Manifest);
  const find = (kind: string): Manifest => {
    const found = all.find((one) => one.kind === kind);
    if (!found) throw new Error(`no ${kind}`);
    return found;
  };
  const pod = find('StatefulSet').spec?.template.spec;
  const [sidecar] = pod?.initContainers ?? [];
  const [app] = pod?.containers ?? [];
  if (!pod || !sidecar || !app) throw new Error('no pod');
  return {
    secret: find('Secret'),
    config: find('ConfigMap').data?.['lastcall.yaml'] ?? '',
    pod,
    sidecar,
    app,
  };
}

async function configOf(
  text: string,
  sidecar: Container,
): Promise<{ config: Config; warnings: readonly string[] }> {
  const env = Object.fromEntries((sidecar.env ?? []).map(({ name }) => [name, 'app-0']));
  const context = { file: 'lastcall.yaml', env, hostname: 'app-0', isTerminal: false, supervised: false };
  const loaded = await loadConfig(text, context);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded;
}

describe('The manifests for Kubernetes', () => {
  test('have a configuration that is right, and warns of nothing', async () => {
    const { config: text, sidecar } = await manifests();
    const { config, warnings } = await configOf(text, sidecar);
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({ node: 'app-0', adopt: true, balancers: [{ servers: ['app/app-0'] }] });
  });

  test('give the drain its time, and give no application back that is ending', async () => {
    const { config: text, sidecar, pod } = await manifests();
    const { config } = await configOf(text, sidecar);
    const graceMs = pod.terminationGracePeriodSeconds * 1_000;
    expect(graceMs).toBeGreaterThan(config.drain.timeoutMs);
    expect(config.drain.expiresMs).toBeGreaterThan(graceMs);
  });

  test('call the hook where the sidecar answers, with its token', async () => {
    const { config: text, sidecar, app, secret, pod } = await manifests();
    const { config } = await configOf(text, sidecar);
    expect(sidecar.restartPolicy).toBe('Always');
    const hook = app.lifecycle?.preStop.httpGet;
    expect(HOOK_PATHS).toContain(hook?.path);
    expect(config.listen.hooks).toMatchObject({ host: '0.0.0.0', port: hook?.port });
    const token = secret.stringData?.['token'] ?? '';
    expect(hook?.httpHeaders).toEqual([{ name: 'Authorization', value: `Bearer ${token}` }]);
    const mount = sidecar.volumeMounts?.find(({ name }) => name === 'secret')?.mountPath ?? '';
    expect(config.listen.hooks?.tokenFile).toBe(`${mount}/token`);
    const mode = pod.volumes.find(({ name }) => name === 'secret')?.secret?.defaultMode;
    expect(mode).toBe(0o440);
  });
});
