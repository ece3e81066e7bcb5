import { Command } from 'commander';
import { describe, expect, test } from '@jest/globals';
import { addHoldOptions, addVerbOptions, type VerbOptions } from '../../agent/cli/options.ts';
import { checkBody, toRequestBody } from '../../agent/cli/request-body.ts';
import { parseRequest, REQUEST_KEYS } from '../../agent/control/parse-request.ts';

/** The options of one verb, as commander reads them. */
function optionsOf(verb: 'drain' | 'hold', ...words: string[]): VerbOptions {
  const command = new Command(verb).exitOverride();
  if (verb === 'drain') addVerbOptions(command, verb);
  else addHoldOptions(command, verb);
  return command.parse(words, { from: 'user' }).opts<VerbOptions>();
}

const DRAIN =
  '--reason why --timeout 5m --on-timeout hold --expires 1h --force --no-fence --dry-run --no-refuse --wait-for-slot 2m --ignore-server app/x';

describe('Each key of a request', () => {
  test('has an option of the command line that sends it', () => {
    const drain = toRequestBody('drain', optionsOf('drain', ...DRAIN.split(' ')), 'cli');
    const hold = toRequestBody('hold', optionsOf('hold', '--maint', '--reason', 'why'), 'cli');
    expect(Object.keys({ ...drain, ...hold }).toSorted()).toEqual([...REQUEST_KEYS].toSorted());
    expect(parseRequest(drain, 'id')).toEqual({
      id: 'id',
      kind: 'drain',
      reason: 'why',
      by: 'cli',
      timeoutMs: 300_000,
      onTimeout: 'hold',
      expiresMs: 3_600_000,
      force: true,
      fence: false,
      dryRun: true,
      isShutdown: false,
      noRefuse: true,
      waitForSlotMs: 120_000,
      ignoreServers: ['app/x'],
    });
    expect(parseRequest(hold, 'id')).toMatchObject({ kind: 'hold', holdIn: 'maint' });
  });

  test('that waits for a slot may be given to ready, which needs none, and to no hold', () => {
    const words = { reason: 'why', waitForSlot: '2m' };
    expect(parseRequest({ operation: 'ready', ...words }, 'id')).toMatchObject({ waitForSlotMs: 120_000 });
    for (const operation of ['hold', 'release'])
      expect(() => parseRequest({ operation, ...words }, 'id')).toThrow('do not wait for a slot');
  });

  test('that is not given is left out: the configuration decides', () => {
    const { wait, ...none } = optionsOf('drain');
    expect(wait).toBe(true);
    expect(toRequestBody('drain', { ...none, wait }, 'cli')).toEqual({
      operation: 'drain',
      by: 'cli',
      fence: true,
    });
    const request = parseRequest({ operation: 'drain' }, 'id');
    for (const key of ['noRefuse', 'waitForSlot', 'ignoreServers', 'holdIn'])
      expect(request).not.toHaveProperty(key);
  });

  test('is called by its option in the errors of the command line', () => {
    const refused = (...words: string[]): unknown => {
      try {
        return checkBody(toRequestBody('drain', optionsOf('drain', ...words), 'cli'));
      } catch (error) {
        return error;
      }
    };
    expect(refused('--timeout', '5')).toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/^--timeout: /),
    });
    expect(refused('--force')).toMatchObject({ message: '--force needs a --reason' });
    expect(refused('--ignore-server', 'x')).toMatchObject({
      message: expect.stringMatching(/^--ignore-server: /),
    });
  });
});
