import { describe, expect, test } from '@jest/globals';
import type {
  Examination,
  HaproxyExamined,
  Objections,
  ServerExamined,
} from '../../agent/doctor/examination.ts';
import { NOT_ASKED, readout } from '../../agent/doctor/readout.ts';
import type { Sighting } from '../../agent/doctor/trap.ts';
import { UNKNOWN_USERS } from '../../agent/lifecycle/model/objection.ts';
import { CLEAR, configured, failed, haproxy, real, sighting } from '../support/judged-reading.ts';

/** Each condition of the traps that are judged by a few values: a real reading, with those values in it. */

const first = (): HaproxyExamined => real.haproxies[0] as HaproxyExamined;
const haproxies = (changes: Partial<HaproxyExamined>): Pick<Examination, 'haproxies'> => ({
  haproxies: [{ ...first(), ...changes }],
});
const written = (changes: Partial<HaproxyExamined['config']>): HaproxyExamined['config'] => ({
  ...first().config,
  ...changes,
});
const servers = (changes: Partial<ServerExamined>): Partial<HaproxyExamined> => {
  const read = first().servers;
  if (!read.ok) throw new Error(read.why);
  return { servers: readout(read.value.map((one) => ({ ...one, ...changes }))) };
};
const objections = (...all: readonly (readonly [code: string, message: string, soft?: boolean])[]) => ({
  trial: readout(all.map(([code, message, soft = false]) => ({ code, message, soft })) as Objections),
});
const survey = (changes: object): Partial<HaproxyExamined> => {
  const read = first().survey;
  if (!read.ok) throw new Error(read.why);
  return { survey: readout({ ...read.value, ...changes }) };
};

describe('What admission objects to', () => {
  test('is a trap by its own code alone, and unseen where the trial failed', () => {
    const trial = objections(['held', 'h'], ['guard', 'g'], ['uncounted', 'u']);
    expect(sighting('held', trial)).toEqual({ found: ['h'], unseen: [] });
    expect(sighting('guard', trial)).toEqual({ found: ['g'], unseen: [] });
    expect(sighting('uncounted', trial)).toEqual({ found: ['u'], unseen: [] });
    for (const id of ['held', 'guard', 'uncounted'])
      expect(sighting(id, { trial: failed('no answer') })).toEqual({ found: [], unseen: ['no answer'] });
  });

  test('uncounted: a source without an answer is another trap, and an application that has ended shows nothing', () => {
    const unread = objections(['uncounted', `http: ${UNKNOWN_USERS}`]);
    expect(sighting('uncounted', unread)).toEqual(CLEAR);
    const gone = { found: [], unseen: ['the application does not run now'] };
    expect(sighting('uncounted', { ...unread, isAppGone: true })).toEqual(gone);
    expect(sighting('uncounted', { ...objections(), isAppGone: true })).toEqual(gone);
    const both = objections(['uncounted', `http: ${UNKNOWN_USERS}`], ['uncounted', 'u']);
    expect(sighting('uncounted', { ...both, isAppGone: true })).toEqual({ found: ['u'], unseen: [] });
  });

  test('unkeepable: a hash is there also where the server takes no users now', () => {
    const facts = (hashed: string | null) => haproxies(survey({ facts: [{ name: 'app/app1', hashed }] }));
    const none = objections();
    expect(sighting('unkeepable', { ...none, ...facts('balance source') }).found.join()).toContain(
      'app/app1 (balance source), which takes no users now',
    );
    expect(sighting('unkeepable', { ...none, ...facts(null) })).toEqual(CLEAR);
    const unsticky = configured({ sticky: false });
    expect(sighting('unkeepable', { ...none, ...facts('balance source'), ...unsticky })).toEqual(CLEAR);
    const said = objections(['unkeepable', 'a hash']);
    expect(sighting('unkeepable', { ...said, ...facts('balance source') })).toEqual({
      found: ['a hash'],
      unseen: [],
    });
    expect(sighting('unkeepable', { trial: failed('no trial'), haproxies: [] })).toEqual({
      found: [],
      unseen: ['no trial'],
    });
    const blind = haproxies({ survey: failed('no survey') });
    expect(sighting('unkeepable', { ...none, ...blind })).toEqual({ found: [], unseen: ['no survey'] });
  });

  test('unlisted: what could not be compared is named, but for what is left out on purpose', () => {
    const at = (blind: string | null, uncompared: readonly string[]) =>
      haproxies(survey({ blind, uncompared }));
    expect(sighting('unlisted', { ...objections(), ...at(null, []) })).toEqual(CLEAR);
    expect(sighting('unlisted', { ...objections(), ...at('no addresses', []) })).toEqual({
      found: [],
      unseen: [`${haproxy.socket}: no addresses`],
    });
    const other = { ...objections(), ...at(null, ['b/one', 'b/two']) };
    expect(sighting('unlisted', other).unseen.join()).toContain(': b/one, b/two: no address');
    const one = sighting('unlisted', { ...other, ...configured({ ignoreServers: ['b/one'] }) });
    expect(one.unseen.join()).toContain(': b/two: no address');
    expect(sighting('unlisted', { ...other, ...configured({ ignoreServers: ['b/one', 'b/two'] }) })).toEqual(
      CLEAR,
    );
    expect(sighting('unlisted', { ...objections(), ...haproxies({ survey: failed('x') }) })).toEqual(CLEAR);
  });

  test('unlisted: of a stop a warning is a twin in MAINT, which is meant; of a drain it goes on to be sent users', () => {
    const warned = objections(['unlisted', 'twin', true], ['guard', 'g', true]);
    const refused = objections(['unlisted', 'twin', false]);
    const stop = readout({ proof: null }) as unknown as Examination['stop'];
    expect(sighting('unlisted', { ...warned, stop }).found).toEqual([]);
    expect(sighting('unlisted', { ...refused, stop }).found).toEqual(['twin']);
    for (const none of [null, failed('no stop')])
      expect(sighting('unlisted', { ...warned, stop: none }).found).toEqual(['twin']);
  });
});

describe('What the sockets allow', () => {
  test('unreachable and without rights are two traps, and both name the socket once', () => {
    const away = haproxies({ about: failed('refused', 'balancer-unreachable') });
    expect(sighting('unreachable', away).found).toEqual([`${haproxy.socket}: refused`]);
    expect(sighting('socket-rights', away)).toEqual(CLEAR);
    const named = haproxies({ about: failed(`${haproxy.socket}: denied`, 'not-permitted') });
    expect(sighting('socket-rights', named).found).toEqual([`${haproxy.socket}: denied`]);
    expect(sighting('unreachable', named)).toEqual(CLEAR);
    for (const id of ['unreachable', 'socket-rights']) expect(sighting(id)).toEqual(CLEAR);
  });

  test.each([
    ['runtime', 'admin', true],
    ['runtime', 'operator', false],
    ['agent-check', 'admin', true],
    ['agent-check', 'operator', true],
    ['agent-check', 'user', false],
  ] as const)('writer %s at a socket of level %s: %s', (writer, level, isEnough) => {
    const { about } = first();
    if (!about.ok) throw new Error(about.why);
    const at = haproxies({ about: readout({ ...about.value, level }), config: written({ writer }) });
    expect(sighting('socket-level', at).found).toHaveLength(isEnough ? 0 : 1);
    expect(sighting('socket-level', haproxies({ about: failed('x') })).unseen).toEqual(['x']);
  });

  test('a server that HAProxy does not have, and nothing else that hides the servers', () => {
    const missing = haproxies({ servers: failed('no app/app1', 'no-such-server') });
    expect(sighting('no-such-server', missing).found).toEqual([`${haproxy.socket}: no app/app1`]);
    expect(sighting('no-such-server', haproxies({ servers: failed('x') }))).toEqual(CLEAR);
    expect(sighting('no-such-server')).toEqual(CLEAR);
  });

  test('a master CLI that fails, answers, is not asked, or is none', () => {
    const at = (master: HaproxyExamined['master']): Sighting =>
      sighting('master-rights', haproxies({ master }));
    expect(at(failed('denied'))).toEqual({ found: ['denied'], unseen: [] });
    expect(at(failed('not asked', NOT_ASKED))).toEqual({ found: [], unseen: ['not asked'] });
    expect(at(readout(undefined))).toEqual(CLEAR);
    expect(at(null)).toEqual(CLEAR);
  });

  test('old workers that neither a master, nor the kernel, nor /proc shows', () => {
    const { look } = first();
    if (!look.ok) throw new Error(look.why);
    const hidden = { look: readout({ ...look.value, uncounted: null }) };
    const shown = { look: readout({ ...look.value, uncounted: [] as never }) };
    expect(sighting('no-master', haproxies(hidden)).found).toEqual([
      `${haproxy.socket}: no master CLI is named`,
    ]);
    expect(sighting('no-master', haproxies(shown))).toEqual(CLEAR);
    expect(sighting('no-master', haproxies({ ...hidden, config: written({ master: '/m' }) }))).toEqual(CLEAR);
    const kinds = (kind: string) => configured({ sessions: [{ kind }] as never });
    expect(sighting('no-master', { ...haproxies(hidden), ...kinds('tcp') })).toEqual(CLEAR);
    expect(sighting('no-master', { ...haproxies(hidden), ...kinds('idle') }).found).toHaveLength(1);
    expect(sighting('no-master', haproxies({ look: failed('x') }))).toEqual({ found: [], unseen: ['x'] });
  });
});

describe('Agent-checks', () => {
  const at = (server: Partial<ServerExamined>, config: Partial<HaproxyExamined['config']> = {}) =>
    haproxies({ ...servers(server), config: written(config) });

  test('one is missing where it is the writer alone', () => {
    const writer = 'agent-check';
    expect(sighting('agent-missing', at({ agentStatus: '' }, { writer })).found).toEqual([
      `${haproxy.socket}: app/app1 has no agent-check`,
    ]);
    expect(sighting('agent-missing', at({ agentStatus: 'L7OK' }, { writer }))).toEqual(CLEAR);
    expect(sighting('agent-missing', at({ agentStatus: '' }))).toEqual(CLEAR);
  });

  test('one is foreign by its port, or where we listen at none', () => {
    const foreign = (server: Partial<ServerExamined>, changes: Partial<Examination> = {}): string =>
      sighting('agent-foreign', { ...at(server), ...changes }).found.join();
    expect(foreign({ agentStatus: '', agentPort: 9 })).toBe('');
    expect(foreign({ agentStatus: 'L7OK', agentPort: 9 })).toContain('asks port 9');
    expect(foreign({ agentStatus: 'L7OK', agentPort: 7001 })).toBe('');
    expect(foreign({ agentStatus: 'L7OK', agentPort: null })).toBe('');
    const deaf = configured({ listen: { ...real.config.listen, agentCheck: null } });
    expect(foreign({ agentStatus: 'L7OK', agentPort: 9 }, deaf)).toContain('an agent-check at port 9, and');
    expect(foreign({ agentStatus: 'L7OK', agentPort: null }, deaf)).toContain('has an agent-check, and');
    expect(foreign({ agentStatus: '', agentPort: null }, deaf)).toBe('');
  });

  test('without a file one that is there is unseen, and one that is not is nothing', () => {
    const direct = { isDirect: true };
    expect(sighting('agent-foreign', { ...at({ agentStatus: '' }), ...direct })).toEqual(CLEAR);
    expect(sighting('agent-foreign', { ...at({ agentStatus: 'L7OK' }), ...direct }).unseen).toHaveLength(1);
    expect(sighting('agent-foreign', { ...haproxies({ servers: failed('x') }), ...direct })).toEqual({
      found: [],
      unseen: ['x'],
    });
  });

  test.each([
    ['L4TOUT', 1],
    ['L4CON', 1],
    ['L7TOUT', 1],
    ['L7RSP', 1],
    ['L7OK', 0],
    ['INI', 0],
    ['xL4CON', 0],
    ['L4CONx', 0],
    ['', 0],
  ])('%j is an answer or none', (agentStatus, count) => {
    const runs = { sidecar: readout({ phase: 'serving' as const }) };
    expect(sighting('agent-deaf', { ...at({ agentStatus }), ...runs }).found).toHaveLength(count);
    expect(sighting('agent-deaf', { ...at({ agentStatus }), sidecar: failed('x') })).toEqual(CLEAR);
    const none = configured({ listen: { ...real.config.listen, agentCheck: null } });
    expect(sighting('agent-deaf', { ...at({ agentStatus }), ...runs, ...none })).toEqual(CLEAR);
  });
});
