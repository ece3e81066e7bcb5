import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Diagnosis } from '../../agent/doctor/diagnosis.ts';
import { examine } from '../../agent/examine.ts';
import { readConfig } from '../../agent/config/load.ts';
import { realClock } from '../../agent/system/clock.ts';
import { memoryLog } from './memory-log.ts';

/** What `lastcall doctor` says of a configuration, by the ids of its traps. */
export interface Seen {
  /** The places of each trap that was found. */
  readonly found: Readonly<Record<string, readonly string[]>>;
  /** Why each trap could not be looked for. */
  readonly unseen: Readonly<Record<string, readonly string[]>>;
  readonly diagnosis: Diagnosis;
}

let written = 0;

/**
 * Examines a setup in this process.
 * @param config keys of lastcall.yaml
 * @param haproxyFile the file of HAProxy, or null
 */
export async function examined(
  dir: string,
  config: Readonly<Record<string, unknown>>,
  haproxyFile: string | null = null,
  env: Readonly<Record<string, string>> = {},
): Promise<Seen> {
  const file = join(dir, `doctor-${++written}.yaml`);
  await writeFile(
    file,
    JSON.stringify({
      node: 'app1',
      state: join(dir, 'app1.json'),
      listen: { control: join(dir, 'none.sock') },
      ...config,
    }),
  );
  const loaded = await readConfig(file, { env: {}, hostname: 'here', isTerminal: false, supervised: false });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const world = { clock: realClock, log: memoryLog(), searchPath: process.env['PATH'], env: process.env };
  const diagnosis = await examine(
    { setup: { kind: 'file', config: loaded.config }, haproxyFile, env, live: null },
    world,
  );
  return { ...byId(diagnosis), diagnosis };
}

function byId({ traps, unseen }: Diagnosis): Pick<Seen, 'found' | 'unseen'> {
  const reasons: Record<string, string[]> = {};
  for (const { why, ids } of unseen) for (const id of ids) reasons[id] = [...(reasons[id] ?? []), why];
  return { found: Object.fromEntries(traps.map(({ id, found }) => [id, found])), unseen: reasons };
}

export interface TinyApp {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

/** An application in this process: `/sessions` says 0, `/jsp` makes a session, all else is good. */
export async function startTinyApp(): Promise<TinyApp> {
  const answer: RequestListener = ({ url }, response) => {
    if (url === '/jsp') response.setHeader('set-cookie', 'JSESSIONID=1; Path=/');
    response.end(url === '/sessions' ? '0' : 'OK');
  };
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
