import { expect } from '@jest/globals';
import { loadConfig, type Loaded } from '../../agent/config/load.ts';
import { createClient } from '../../agent/haproxy/client.ts';
import type { PortOwner } from '../../agent/init/application.ts';
import type { Facts, NodeFacts } from '../../agent/init/facts.ts';
import type { ServerDetail } from '../../agent/init/node-details.ts';
import { realClock } from '../../agent/system/clock.ts';

/** What `init` may have read, for the tests of the file that it writes. */

const TARGET = '/run/haproxy/admin.sock';
const address = { kind: 'unix', path: TARGET } as const;

export const SERVER: ServerDetail = {
  name: 'app/app1',
  endpoint: { host: '127.0.0.1', port: 8080 },
  mode: 'http',
  sticky: 'cookie',
  hashed: null,
  check: { kind: 'http', port: null },
  agentPort: null,
  admin: 'ready',
  isWeightless: false,
  isUnresolved: false,
  others: 1,
  standbys: [],
};

export function nodeOf(more: Partial<NodeFacts> = {}, level: 'admin' | 'operator' = 'admin'): NodeFacts {
  const client = createClient(TARGET, address, { clock: realClock });
  const info = { pid: 1, version: '2.6.12', uptimeSeconds: 1 };
  const balancer = { target: TARGET, address, client, isHere: true, level, info, servers: [], rows: [] };
  return {
    at: { balancer, servers: [], leftOut: [] },
    servers: [SERVER],
    tables: [],
    access: { user: 0, group: 4 },
    master: { kind: 'found', address: 'unix:/run/haproxy/master.sock' },
    masterAccess: { user: 0, group: 4 },
    ...more,
  };
}

export const UNIT: PortOwner = { kind: 'unit', unit: 'tomcat10.service', program: 'java' };

export function someFacts(more: Partial<Facts> = {}, owner: PortOwner = UNIT): Facts {
  const endpoints = owner.kind === 'elsewhere' ? [] : [{ host: '127.0.0.1', port: 8080 }];
  return {
    node: 'app1',
    nodes: [nodeOf()],
    application: { owner, endpoints, kind: 'tomcat', process: null },
    healthPage: endpoints.length === 0 ? null : 'http://127.0.0.1:8080/health',
    others: [],
    doubts: [],
    tls: null,
    isRoot: true,
    contexts: [],
    takenPorts: new Set([8080]),
    phpSessions: [],
    hasSystemd: true,
    ...more,
  };
}

export const load = (text: string): Promise<Loaded> =>
  loadConfig(text, {
    file: 'lastcall.yaml',
    env: {},
    hostname: 'here',
    isTerminal: false,
    supervised: false,
  });

/** The text with those commented lines of YAML in force that this matches. */
export function withChoices(text: string, ...choices: readonly RegExp[]): string {
  for (const choice of choices) expect(text).toMatch(new RegExp(`^ *# ${choice.source}`, 'm'));
  return text
    .split('\n')
    .map((line) =>
      choices.some((one) => new RegExp(`^ *# ${one.source}`).test(line)) ? line.replace('# ', '') : line,
    )
    .join('\n');
}
