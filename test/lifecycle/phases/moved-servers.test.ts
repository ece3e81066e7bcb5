import { expect, test } from '@jest/globals';
import { type Scene, scene } from '../../support/world/scene.ts';

/** A controller gives another server the address of this node in the middle of an operation, without a reload. */

const MOVED = { name: 'app/slot3', of: 'app/app1', by: 'address', role: 'active', usable: true } as const;
const move = (it: Scene): void => {
  it.lb.server('app/app1').movedTo = '10.0.0.99:8080';
  it.lb.relatives = [MOVED];
};

test.each(['drain', 'stop'] as const)('a server to which a controller moves this node ends a %s', (kind) => {
  const it = scene();
  it.site.visit();
  const id = it.ask(kind);
  it.reach('draining');
  it.time.advance(1_000);
  move(it);
  const { code, phase, message } = it.ended(id);
  expect({ code, phase }).toEqual({ code: 'unlisted', phase: 'serving' });
  expect(message).toContain('app/slot3 has the address of app/app1, which leads elsewhere by now');
  expect(it.effects.some(({ type }) => type === 'stop')).toBe(false);
});

test('a server to which a controller moves this node is a warning for a caller that ends the application next', () => {
  const it = scene();
  it.site.visit();
  const id = it.ask('stop', { noRefuse: true });
  it.reach('draining');
  it.time.advance(1_000);
  move(it);
  it.time.advance(5_000);
  it.site.leave();
  const { code, phase, warnings } = it.ended(id);
  expect({ code, phase }).toEqual({ code: 'done', phase: 'stopped' });
  expect(warnings.join()).toMatch(
    /app\/app1 leads to 10.0.0.99:8080, and led to 10.0.0.1:8080 before.*app\/slot3/,
  );
});

test.each([
  ['stop', 'unlisted', 'serving'],
  ['drain', 'done', 'drained'],
] as const)('a server that gets the address of ours before the fence: %s is %s', (kind, code, phase) => {
  const it = scene();
  it.site.visit();
  const id = it.ask(kind);
  it.reach('draining');
  it.lb.relatives = [MOVED];
  it.time.advance(1_000);
  it.site.leave();
  const result = it.ended(id);
  expect(result).toMatchObject({ code, phase });
  if (kind === 'drain')
    expect(result.warnings.join()).toContain('since it began: lb1: app/slot3 has the address of app/app1');
});

test('a server that gets the address of ours behind the fence ends a stop', () => {
  const it = scene();
  const id = it.ask('stop');
  it.reach('fencing');
  it.lb.relatives = [MOVED];
  expect(it.ended(id)).toMatchObject({ code: 'unlisted', phase: 'serving' });
  expect(it.effects.some(({ type }) => type === 'stop')).toBe(false);
});

test('a server that a controller moves this node to over a kill -9 of the sidecar ends a stop', () => {
  const it = scene();
  it.site.visit();
  const id = it.ask('stop');
  it.reach('draining');
  it.time.advance(1_000);
  it.crash({}, () => move(it));
  expect(it.ended(id)).toMatchObject({ code: 'unlisted', phase: 'serving' });
});
