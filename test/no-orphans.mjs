// Jest's global teardown: no process that a test started may outlive the run. They are known by the mark that
// test/strict.mjs put into their environment (/proc, so on Linux only).
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export default async function noOrphans() {
  let left = orphans();
  // What was killed a moment ago may still be on its way out, for seconds on a busy machine.
  for (let tries = 0; left.length > 0 && tries < 500; tries++) {
    await sleep(20);
    left = orphans();
  }
  if (left.length > 0) throw new Error(`processes that no test cleaned up:\n${left.join('\n')}`);
}

function orphans() {
  const mark = `LASTCALL_TEST_RUN=${process.env.LASTCALL_TEST_RUN}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((pid) => read(pid, 'environ').split('\0').includes(mark))
    .map((pid) => `${pid} ${read(pid, 'cmdline').replaceAll('\0', ' ')}`)
    .filter((line) => !line.includes('/jest-worker/'));
}

/** Empty for a process that is gone, a zombie, or another user's. */
function read(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
