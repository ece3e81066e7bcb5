import { afterEach, describe, expect, test } from '@jest/globals';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { startTimeOf } from '../../agent/system/process.ts';
import { fixture } from '../support/fixture-reports.ts';
import { skipped } from '../support/skip.ts';

/** What systemd's `ProtectProc=` and `ProcSubset=` mount. */
const MOUNTS = ['hidepid=1', 'hidepid=2', 'hidepid=2,subset=pid'];

describe('where /proc hides the processes of others, what is looked for there is unknown', () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  async function listening(): Promise<number> {
    const server: Server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ends.push(() => new Promise((resolve) => server.close(resolve)));
    return (server.address() as AddressInfo).port;
  }

  test.each(MOUNTS)('%s', async (options) => {
    if (process.getuid?.() !== 0) return skipped('only root may mount a /proc');
    const app: ChildProcess = spawn('sleep', ['60']);
    await once(app, 'spawn');
    ends.push(() => {
      app.kill('SIGKILL');
      return once(app, 'exit');
    });
    const pid = app.pid ?? 0;
    const port = await listening();
    const [program = '', ...args] = fixture('looks-as-nobody', port, pid, startTimeOf(pid) ?? '');
    const seen = execFileSync(
      'unshare',
      [
        '-m',
        'sh',
        '-c',
        `mount -t proc -o ${options} proc /proc && exec "$0" "$@"`,
        program,
        ...args.map(String),
      ],
      { encoding: 'utf8' },
    );
    expect(JSON.parse(seen)).toEqual({
      all: false,
      at: 'hidden',
      look: 'hidden',
      aliveness: 'unknown',
      listens: null,
      listeners: { kind: 'hidden', user: 0 },
      lineage: null,
      boot: !options.includes('subset'),
      whichBoot: options.includes('subset') ? 'config' : 'told',
    });
  });
});
