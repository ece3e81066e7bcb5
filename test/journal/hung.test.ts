import { expect, test } from '@jest/globals';
import { join } from 'node:path';
import { createJournal } from '../../agent/journal/journal.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { type HungDisk, mountHungDisk } from '../support/hung-disk.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { makeTempDir } from '../support/tempdir.ts';

test('A journal on a disk that does not answer is read in vain for 1.2 s, or until the caller has enough', async () => {
  const temp = await makeTempDir();
  let disk: HungDisk | null = null;
  try {
    const mount = join(temp.path, 'disk');
    disk = await mountHungDisk(mount);
    if (disk === null) return;
    const journal = createJournal(join(mount, 'app1.json'), { node: 'app1' }, realClock);
    const abort = new AbortController();
    const given = journal.load(abort.signal);
    const reason = new LastcallError('interrupted', 'enough');
    abort.abort(reason);
    await expect(given).rejects.toBe(reason);
    expect(await refusalOf(() => journal.load(never))).toMatchObject({
      code: 'state-write',
      target: join(mount, 'app1.json'),
      elapsedMs: 1_200,
      next: expect.stringContaining('NFS'),
    });
  } finally {
    await disk?.release();
    await temp.remove();
  }
});
