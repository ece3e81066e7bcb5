import { describe, expect, test } from '@jest/globals';
import { createRelay, type RelayedService } from '../../agent/engine/relay.ts';
import type { Listener, Submitted } from '../../agent/engine/service.ts';
import type { Request, Result, Status } from '../../agent/lifecycle/model/api.ts';
import { OWN_TERMS } from '../../agent/lifecycle/model/policy.ts';

const request: Request = { ...OWN_TERMS, id: 'd1', kind: 'drain', reason: null, by: 'test' };

/** An engine that answers what the test lets it answer. */
function engine(name: string, known: Record<string, Result | 'running'> = {}) {
  const listeners = new Set<Listener>();
  const asked: string[] = [];
  let answer = (_submitted: Submitted): void => undefined;
  const own: RelayedService = {
    ready: Promise.resolve(),
    submit: ({ id }) => {
      asked.push(id);
      return new Promise((resolve) => (answer = resolve));
    },
    result: (id) => known[id],
    cancel: () => 'unknown',
    status: () => ({ node: name }) as Status,
    holders: () => Promise.reject(new Error('not asked here')),
    unlock: () => Promise.reject(new Error('not asked here')),
    pool: () => Promise.reject(new Error('not asked here')),
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return { own, asked, listeners, answer: (submitted: Submitted) => answer(submitted) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('A service over engines that follow each other', () => {
  test('hands a request that was not answered to the next engine', async () => {
    const [first, second] = [engine('first'), engine('second')];
    const relay = createRelay(first.own);
    const submitted = relay.submit(request);
    await turn();
    expect(first.asked).toEqual(['d1']);
    relay.detach();
    relay.attach(second.own);
    await turn();
    expect(second.asked).toEqual(['d1']);
    second.answer({ accepted: true, id: 'd1', joined: false });
    expect(await submitted).toEqual({ accepted: true, id: 'd1', joined: false });
  });

  test('does not ask for what the next one knows already: it is the same operation', async () => {
    const first = engine('first');
    const second = engine('second', { d1: 'running' });
    const relay = createRelay(first.own);
    const submitted = relay.submit(request);
    await turn();
    relay.attach(second.own);
    expect(await submitted).toEqual({ accepted: true, id: 'd1', joined: false });
    expect(second.asked).toEqual([]);
  });

  test('lets a request that comes in between wait, and answers no caller that an operation is unknown', async () => {
    const [first, second] = [engine('first'), engine('second')];
    const relay = createRelay(first.own);
    relay.detach();
    const submitted = relay.submit(request);
    let isReady = false;
    void relay.ready().then(() => (isReady = true));
    await turn();
    expect({ asked: first.asked, isReady }).toEqual({ asked: [], isReady: false });
    relay.attach(second.own);
    await turn();
    expect(isReady).toBe(true);
    second.answer({ accepted: true, id: 'd1', joined: false });
    expect(await submitted).toMatchObject({ accepted: true });
    expect(relay.status().node).toBe('second');
  });

  test('keeps its watchers, and tells them of one engine at a time', () => {
    const [first, second] = [engine('first'), engine('second')];
    const relay = createRelay(first.own);
    const seen: string[] = [];
    const unwatch = relay.watch({ status: ({ node }) => seen.push(node), result: ({ id }) => seen.push(id) });
    for (const listener of first.listeners) listener.status({ node: 'first' } as Status);
    relay.attach(second.own);
    expect(first.listeners.size).toBe(0);
    for (const listener of second.listeners) listener.result({ id: 'd1' } as Result);
    unwatch();
    for (const listener of second.listeners) listener.result({ id: 'd2' } as Result);
    expect(seen).toEqual(['first', 'd1']);
  });
});
