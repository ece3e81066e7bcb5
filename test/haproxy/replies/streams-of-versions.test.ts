import { describe, expect, test } from '@jest/globals';
import { parseStream, streamServer } from '../../../agent/haproxy/replies/show-sess.ts';

/** What HAProxy 2.4 to 3.4 say of a stream, in the formats of each. */

const NAME = { backend: 'app', server: 'app1' };
const unreadable = (line: string): Error => new Error(line);
const about = 'proto=tcpv4 src=10.9.8.7:56804 fe=web be=app srv=app1 ts=00';

/** One line each of a request, a queued one, a websocket, and one that has let go of its server. */
const STREAMS: Readonly<Record<string, readonly string[]>> = {
  '2.4': [
    `0x55d0a: ${about} age=59s calls=2 rate=0 cpu=0 lat=0 rq[f=49c40080h,i=0,an=8000h,rx=,wx=,ax=] rp[f=80400000h,i=0,an=1400000h,rx=1m,wx=,ax=] s0=[8,80h,fd=18,ex=] s1=[8,11h,fd=23,ex=] exp=0s`,
    `0x55d0b: ${about} age=1m39s calls=1 rate=0 cpu=0 lat=0 rq[f=4dc00000h,i=16323,an=8000h,rx=,wx=,ax=] rp[f=80000000h,i=0,an=00h,rx=,wx=,ax=] s0=[8,280h,fd=29,ex=] s1=[2,11h,fd=-1,ex=1m39s] exp=1m39s`,
    `0x55d0c: ${about} age=2h3m calls=3 rate=0 cpu=0 lat=0 rq[f=8c48000h,i=0,an=00h,rx=59m,wx=59m,ax=] rp[f=88048000h,i=0,an=00h,rx=59m,wx=59m,ax=] s0=[8,0h,fd=15,ex=] s1=[8,11h,fd=16,ex=] exp=0s`,
    `0x55d0d: ${about} age=1d2h calls=3 rate=0 cpu=0 lat=0 rq[f=8c48000h,i=0,an=00h,rx=,wx=,ax=] rp[f=88048000h,i=0,an=00h,rx=,wx=,ax=] s0=[8,0h,fd=15,ex=] s1=[10,11h,fd=-1,ex=] exp=0s`,
  ],
  '2.6': [
    `0x55d0a: ${about} epoch=0 age=59s calls=2 rate=0 cpu=0 lat=0 rq[f=49c40080h,i=0,an=8000h,rx=,wx=,ax=] rp[f=80400000h,i=0,an=1400000h,rx=1m39s,wx=,ax=] scf=[8,80h,fd=18] scb=[8,11h,fd=23] exp=0s rc=0 c_exp=`,
    `0x55d0b: ${about} epoch=0 age=1m39s calls=1 rate=0 cpu=0 lat=0 rq[f=4dc00000h,i=16323,an=8000h,rx=,wx=,ax=] rp[f=80000000h,i=0,an=00h,rx=,wx=,ax=] scf=[8,280h,fd=29] scb=[2,11h,fd=-1] exp=1m39s rc=0 c_exp=1m39s`,
    `0x55d0c: ${about} epoch=0 age=2h3m calls=3 rate=0 cpu=0 lat=0 rq[f=8c48000h,i=0,an=00h,rx=59m59s,wx=59m59s,ax=] rp[f=88048000h,i=0,an=00h,rx=59m59s,wx=59m59s,ax=] scf=[8,0h,fd=15] scb=[8,11h,fd=16] exp=0s rc=0 c_exp=`,
    `0x55d0d: ${about} epoch=0 age=1d2h calls=3 rate=0 cpu=0 lat=0 rq[f=8c48000h,i=0,an=00h,rx=,wx=,ax=] rp[f=88048000h,i=0,an=00h,rx=,wx=,ax=] scf=[8,0h,fd=15] scb=[10,11h,fd=-1] exp=0s rc=0 c_exp=`,
  ],
  '3.2': [
    `0x55d0a: ${about} epoch=0 age=59s calls=2 rate=0 cpu=0 lat=0 rq[f=49c40080h,i=0,an=8000h,ax=] rp[f=80400000h,i=0,an=1400000h,ax=] scf=[8,80h,fd=18,rex=1m,wex=] scb=[8,11h,fd=23,rex=,wex=] exp=0s rc=0 c_exp=`,
    `0x55d0b: ${about} epoch=0 age=1m39s calls=1 rate=0 cpu=0 lat=0 rq[f=4dc00000h,i=16323,an=8000h,ax=] rp[f=80000000h,i=0,an=00h,ax=] scf=[8,280h,fd=29,rex=,wex=] scb=[2,11h,fd=-1,rex=,wex=] exp=1m39s rc=0 c_exp=1m39s`,
    `0x55d0c: ${about} epoch=0 age=2h3m calls=3 rate=0 cpu=0 lat=0 rq[f=8c48000h,i=0,an=00h,ax=] rp[f=88048000h,i=0,an=00h,ax=] scf=[8,0h,fd=15,rex=59m,wex=] scb=[8,11h,fd=16,rex=59m,wex=] exp=0s rc=0 c_exp=`,
    `0x55d0d: ${about} epoch=0 age=1d2h calls=3 rate=0 cpu=0 lat=0 rq[f=8c48000h,i=0,an=00h,ax=] rp[f=88048000h,i=0,an=00h,ax=] scf=[8,0h,fd=15,rex=,wex=] scb=[10,11h,fd=-1,rex=,wex=] exp=0s rc=0 c_exp=`,
  ],
};

describe('show sess', () => {
  test.each(Object.entries(STREAMS))('of %s tells what a stream does, and since when', (_version, lines) => {
    expect(lines.map((line) => parseStream(line, NAME, unreadable))).toEqual([
      { pointer: '0x55d0a', ageSeconds: 59, stage: 'request' },
      { pointer: '0x55d0b', ageSeconds: 99, stage: 'queued' },
      { pointer: '0x55d0c', ageSeconds: 7_380, stage: 'tunnel' },
      { pointer: '0x55d0d', ageSeconds: 93_600, stage: 'over' },
    ]);
  });

  test('is about this server only', () => {
    const [line = ''] = STREAMS['2.6'] ?? [];
    for (const other of [
      { backend: 'app', server: 'app' },
      { backend: 'app', server: 'app12' },
      { backend: 'ap', server: 'app1' },
      { backend: 'web', server: 'app1' },
    ])
      expect(parseStream(line, other, unreadable)).toBeNull();
  });

  test('does not lose a stream of this server that it cannot read', () => {
    const [line = ''] = STREAMS['2.6'] ?? [];
    for (const broken of [
      line.replace('age=59s', 'age=soon'),
      line.replace('scb=', 'new='),
      line.slice(0, 90),
    ])
      expect(() => parseStream(broken, NAME, unreadable)).toThrow();
  });

  test('does not lose one whose line does not tell whose it is', () => {
    const [line = '', other = ''] = STREAMS['2.6'] ?? [];
    for (const broken of [
      line.replace(' be=', ' e='),
      line.replace(' srv=', ' srv'),
      line.slice(1),
      line.slice(0, 40),
      other.replace('srv=app1', 'srv=app2') + line,
    ])
      expect(() => parseStream(broken, NAME, unreadable)).toThrow();
  });

  test('knows those of HAProxy itself, which are of no backend', () => {
    const line =
      '0x55d0e: proto=? ts=00 epoch=0 age=2s calls=1 rate=0 cpu=0 lat=0 rq[f=0h,i=0,an=00h] exp= rc=0';
    expect(parseStream(line, NAME, unreadable)).toBeNull();
  });

  test('of one stream names its backend and its server', () => {
    const answer = `0x55d0a: [23/Nov/2026:08:59:11.785256] id=2 proto=tcpv4 source=10.9.8.7:52620
  flags=0xc4b, conn_retries=0, conn_exp=<NEVER>
  frontend=web (id=2 mode=http), listener=? (id=1) addr=127.0.0.1:18081
  backend=app (id=2 mode=http) addr=127.0.0.1:42086
  server=app1 (id=1) addr=127.0.0.1:18080
`;
    expect(streamServer(answer)).toEqual(NAME);
    expect(streamServer('Session not found.\n')).toBeNull();
  });
});
