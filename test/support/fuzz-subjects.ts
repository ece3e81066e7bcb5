import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eachStream } from '../../agent/balancers/runtime-api/streams.ts';
import type { DeadlineClient } from '../../agent/balancers/runtime-api/deadline-client.ts';
import { listAllServers } from '../../agent/haproxy/replies/show-all-servers.ts';
import {
  showInfo,
  showProc,
  showServerAndBackend,
  showServersConn,
  showServersState,
  showStreams,
  showTables,
  batch,
  type Command,
} from '../../agent/haproxy/command.ts';
import { parseServerConnections } from '../../agent/haproxy/replies/show-servers-conn.ts';
import { countEntries } from '../../agent/haproxy/replies/table-entries.ts';
import { parseInfo } from '../../agent/haproxy/replies/show-info.ts';
import { parseOldWorkers } from '../../agent/haproxy/replies/show-proc.ts';
import { answersOf, type Reply } from '../../agent/haproxy/reply.ts';
import { parseSendState } from '../../agent/haproxy/send-state.ts';
import { parseServersState } from '../../agent/haproxy/replies/show-servers-state.ts';
import { parseStats } from '../../agent/haproxy/replies/show-stat.ts';
import { parseTables } from '../../agent/haproxy/replies/show-table.ts';
import { createLineSplitter } from '../../agent/system/line-splitter.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { packageRoot } from './sample.ts';
import type { Subject } from './fuzz.ts';

/** HAProxy's texts (2.6.12 and 3.2.26, recorded; counts of two digits without a zero), and their readers. */

const APP1 = { backend: 'app', server: 'app1' };
const VERSIONS = ['2.6', '3.2'] as const;

function recorded(name: string): string {
  return readFileSync(join(packageRoot(), 'test/fixtures/transcripts', `${name}.txt`), 'latin1');
}

function replyOf(text: string, command: Command): Reply {
  return { text, command, target: 'unix:/x', elapsedMs: 1 };
}

/** As `Client.stream` gives an answer. */
async function poured(text: string, onLine: (line: string) => void): Promise<void> {
  let last: string | null = null;
  const tooLong = (): Error => new LastcallError('balancer-unreachable', 'too long');
  const lines = createLineSplitter((line) => onLine((last = line)), 64 * 1024, tooLong);
  lines.push(Buffer.from(text, 'latin1'));
  if (last !== '' || lines.rest() !== '') throw new LastcallError('balancer-unreachable', 'cut');
}

/** One row of ours, found by its place as `createServerReader` does it. */
function statCounts(text: string): number[] | null {
  const reply = replyOf(text, batch(showInfo(), showServerAndBackend({ backendId: 3, serverId: 1 })));
  const [info = '', stats = ''] = answersOf(reply);
  const [row] = parseStats(stats, reply);
  if (row?.text('pxname') !== 'app' || row.text('svname') !== 'app1') return null;
  parseInfo(info, reply);
  return known([row.count('scur'), row.count('qcur')]);
}

/** What is null is unknown, and the others still count. */
function known(counts: readonly (number | null)[]): number[] {
  return counts.filter((count) => count !== null);
}

const READERS: Readonly<Record<string, Subject['read']>> = {
  stat: statCounts,
  conn(text) {
    const reply = replyOf(text, showServersConn('app'));
    const shown = parseServerConnections(answersOf(reply)[0] ?? '', APP1, reply);
    return shown === null ? null : [shown.used];
  },
  state(text) {
    const reply = replyOf(text, showServersState('app'));
    return [parseServersState(answersOf(reply)[0] ?? '', reply).length];
  },
  async table(text) {
    const connection = { target: 'unix:/x', streamReply: pourOf(text) };
    const ours = { keys: ['app1'], numbers: new Set([1]), keyless: new Set([1]), hidden: false };
    const { count, doubts } = await countEntries(connection, 'app', ours);
    return [count + doubts.size];
  },
  async sess(text) {
    let count = 0;
    const nobody = (): Promise<never> => Promise.reject(new Error('only the stream is asked for'));
    const stream: DeadlineClient['stream'] = (_command, onLine) => poured(text, onLine);
    const connection: DeadlineClient = {
      target: 'unix:/x',
      ask: nobody,
      session: nobody,
      streamReply: nobody,
      stream,
    };
    await eachStream(
      connection,
      showStreams(APP1),
      APP1,
      ({ stage }) => void (count += stage === 'over' ? 0 : 1),
    );
    return [count];
  },
  async all(text) {
    const { rows } = await listAllServers({ target: 'unix:/x' }, (_command, onLine) => poured(text, onLine));
    return [rows.length];
  },
  proc(text) {
    const reply = replyOf(text, showProc());
    const [answer = ''] = answersOf(reply);
    // Those that serve in the two recordings.
    const old = parseOldWorkers(answer, reply, 22_935) ?? parseOldWorkers(answer, reply, 23_057);
    return old === null ? null : [old.length];
  },
  info(text) {
    const reply = replyOf(text, showInfo());
    const { pid } = parseInfo(answersOf(reply)[0] ?? '', reply);
    return [pid];
  },
  tables(text) {
    return [parseTables(replyOf(text, showTables())).length];
  },
};

function pourOf(text: string) {
  return (_command: Command, onChunk: (chunk: Buffer) => boolean): Promise<void> => {
    onChunk(Buffer.from(text, 'latin1'));
    return Promise.resolve();
  };
}

const SENT = 'UP 1/3; address=127.0.0.1; port=17009; name=app/a1; node=vm; weight=1/1; scur=37/112; qcur=12';

/** All of them. */
export const haproxySubjects = (): readonly Subject[] => [
  ...Object.entries(READERS).flatMap(([name, read]) =>
    VERSIONS.map((version): Subject => ({
      name: `${name} of ${version}`,
      text: recorded(`${name}-${version}`),
      read,
    })),
  ),
  {
    name: 'X-Haproxy-Server-State',
    text: SENT,
    read(text) {
      const state = parseSendState(text);
      return state === null ? null : known([state.connections, state.queued]);
    },
  },
];
