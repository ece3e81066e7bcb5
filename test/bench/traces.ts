import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { packageRoot } from '../support/sample.ts';
import { endProcessesWith } from './end-processes.ts';

const REAPER = join(packageRoot(), 'dist', 'test', 'bench', 'reaper.js');
/** One that lastcall leaves to the programs that it starts. */
const MARK = 'LASTCALL_BENCH_RUN';

/** What a run leaves behind in processes and files: its programs, daemons of theirs too, and its temporary directories. */
export interface Traces {
  /** Ends all processes of the run. Returns how many there were. */
  end(): Promise<number>;
  /** Ends and removes all of it. Returns how many processes were left. */
  remove(): Promise<number>;
}

/**
 * From now on every process that this one starts is marked by its environment, and its temporary files are in one directory. A process of its
 * own ends and removes both when this one has ended, however that was.
 */
export async function keepTraces(): Promise<Traces> {
  const word = `${MARK}=${randomUUID()}`;
  const dir = await mkdtemp(join(tmpdir(), 'lcb-'));
  // In a session of its own: Ctrl-C goes to all processes of a terminal.
  const reaper = spawn(process.execPath, [REAPER, word, dir], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const killed = text(reaper.stdout);
  process.env[MARK] = word.slice(MARK.length + 1);
  process.env['TMPDIR'] = dir;
  return {
    end: () => endProcessesWith(word),
    async remove() {
      reaper.stdin.end();
      return Number(await killed);
    },
  };
}
