import { jest } from '@jest/globals';

/** Only the date is another one, until `jest.useRealTimers()`: all that waits goes on by the real clock. */
export function pretendDate(now: Date): void {
  jest.useFakeTimers({
    now,
    doNotFake: [
      'hrtime',
      'nextTick',
      'performance',
      'queueMicrotask',
      'setImmediate',
      'clearImmediate',
      'setInterval',
      'clearInterval',
      'setTimeout',
      'clearTimeout',
    ],
  });
}
