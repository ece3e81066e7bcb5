import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { withLimit } from './with-limit.ts';

const forEver = (signal: AbortSignal): Promise<void> => sleep(60_000, undefined, { signal });

describe('A limit', () => {
  test('ends what takes longer, over garbage collections too', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const collecting = setInterval(collect, 20);
    try {
      const limited = withLimit(new AbortController().signal, 200, forEver);
      await expect(limited).rejects.toMatchObject({ cause: { message: 'not over after 0.2 s' } });
    } finally {
      clearInterval(collecting);
    }
  });

  test('passes on what ends the caller, and the result of what is in time', async () => {
    const stop = new AbortController();
    const limited = withLimit(stop.signal, 60_000, forEver);
    stop.abort(new Error('interrupted'));
    await expect(limited).rejects.toMatchObject({ cause: { message: 'interrupted' } });
    await expect(withLimit(new AbortController().signal, 60_000, async () => 7)).resolves.toBe(7);
  });
});
