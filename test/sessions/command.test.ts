import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { inspect } from 'node:util';
import { createSources } from '../../agent/sessions/create.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { sourceContract } from '../contract/source.ts';
import { driven } from '../support/driven.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { fixture, openRollCall, type RollCall } from '../support/fixture-reports.ts';

let roll: RollCall;
beforeEach(async () => {
  roll = await openRollCall();
});
afterEach(() => roll.close());

function sourceOf(command: readonly string[], clock: Clock = realClock): Source {
  const [source] = createSources([{ kind: 'command', command, timeoutMs: 20_000 }], {
    clock,
    onWarning: () => undefined,
  });
  if (source === undefined) throw new Error('no source');
  return source;
}
const reasonOf = async (command: readonly string[]): Promise<string> =>
  (await refusalOf(() => sourceOf(command).count(never))).message;

sourceContract('a command', {
  counting: async (users, clock) => sourceOf(['echo', String(users)], clock),
  absent: async (clock) => sourceOf(['/nowhere/at/all'], clock),
  silent: async (clock) => sourceOf(fixture('hangs', roll.port), clock),
});

describe('a command that counts', () => {
  test('may say on stderr what it likes', async () => {
    expect(await sourceOf(['sh', '-c', 'echo looking >&2; echo 12']).count(never)).toBe(12);
  });

  test('may be a pipeline', async () => {
    expect(await sourceOf(['sh', '-c', 'printf "a\\nb\\n" | wc -l']).count(never)).toBe(2);
  });

  test.each([
    ['exit code 3', ['sh', '-c', 'echo 0; exit 3']],
    ['ended by SIGKILL', ['sh', '-c', 'echo 0; kill -KILL $$']],
    ['is no count', ['true']],
    ['is no count', ['echo', '-1']],
    ['is no count', ['echo', '1.5']],
    ['is no count', ['echo', '9007199254740993']],
    ['is no count', ['echo', '3 sessions']],
    ['is no count', ['printf', '0\\n5\\n']],
    ['cannot run', ['/tmp']],
  ])('does not know (%s) with %j', async (reason, command) => {
    expect(await reasonOf(command)).toContain(reason);
  });

  test('does not know when it prints 200 MB, and takes no memory for it', async () => {
    const before = process.memoryUsage().rss;
    expect(await reasonOf(fixture('prints', 2e8))).toContain('more than 4096 bytes');
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });

  test('does not know when it hangs, and is ended with all that it started', async () => {
    const clock = new ManualClock();
    const counting = refusalOf(() => sourceOf(fixture('keeps-a-worker', roll.port), clock).count(never));
    const [one, other] = [await roll.next(), await roll.next()];
    clock.advance(20_000);
    expect((await driven(clock, counting)).message).toMatch(/did not end within \d+ ms/);
    await Promise.all([one.gone, other.gone]);
  });

  test('does not know when it leaves a process behind, which is ended: it is asked again and again', async () => {
    const forking = fixture('forks-away', roll.port);
    expect(await reasonOf(['sh', '-c', '"$@"; echo 5', 'sh', ...forking])).toContain('left processes behind');
    await (
      await roll.next()
    ).gone;
  });

  test('shows its name in an error, and none of its arguments', async () => {
    const error = await refusalOf(() => sourceOf(['sh', '-c', 'exit 1', 'arg-1']).count(never));
    expect(error.target).toBe('sh');
    expect(inspect(error, { depth: 9 })).not.toContain('arg-1');
  });
});

test('what a command says is for any terminal', async () => {
  const said = '\\033]0;x\\007\\302\\233\\342\\200\\256';
  const reason = await reasonOf(['sh', '-c', `printf '${said}' >&2; exit 3`]);
  expect(reason).toContain('\\u001b]0;x\\u0007\\u009b\\u202e');
  expect(reason).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});
