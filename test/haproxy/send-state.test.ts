import { expect, test } from '@jest/globals';
import { parseSendState } from '../../agent/haproxy/send-state.ts';

// As HAProxy 2.6.12 sent it.
const SENT = 'UP 1/3; address=127.0.0.1; port=17009; name=app/a1; node=vm; weight=1/1; scur=3/12; qcur=2';

test('HAProxy sends of which server it asks, in which state it has it, and how many connections are there', () => {
  expect(parseSendState(SENT)).toEqual({
    usable: true,
    text: 'UP 1/3',
    name: 'app/a1',
    node: 'vm',
    connections: 3,
    queued: 2,
  });
});

test.each([
  ['UP', true],
  ['UP 2/3', true],
  ['NOLB', true],
  ['DOWN', false],
  ['DOWN 1/2', false],
  ['MAINT', false],
])('a sign-out works from UP and NOLB: %s', (state, usable) => {
  expect(parseSendState(SENT.replace('UP 1/3', state))).toMatchObject({ text: state, usable });
});

test.each([
  ['without scur', SENT.replace(/ scur=[^;]*;/, ''), null, 2],
  ['with a scur that is no number', SENT.replace('scur=3/12', 'scur=-1/12'), null, 2],
  ['with no number of the backend', SENT.replace('scur=3/12', 'scur=3'), null, 2],
  ['with more than the backend has', SENT.replace('scur=3/12', 'scur=3/1'), null, 2],
  ['with a qcur cut short', SENT.replace('qcur=2', 'qcur='), 3, null],
])('what is not sent is unknown, not zero: %s', (_how, header, connections, queued) => {
  expect(parseSendState(header)).toMatchObject({ connections, queued });
});

test('what says something twice is nothing', () => {
  expect(parseSendState(`${SENT}; scur=0/0`)).toBeNull();
});

test.each(['', 'UP', 'hello', 'up; name=a/b', `UP; name=${'x/'.repeat(2000)}`, 'UP; name=app', '; name=a/b'])(
  'what is not this header is nothing: %j',
  (header) => expect(parseSendState(header)).toBeNull(),
);
