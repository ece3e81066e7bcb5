import { describe, expect, test } from '@jest/globals';
import { lineageOf } from '../../agent/haproxy/predecessors.ts';
import { createOldProcesses, createWorkers } from '../../agent/haproxy/workers.ts';
import type { ProcessTable } from '../../agent/system/process-table.ts';
import { machine, process } from '../support/fake-processes.ts';
import { ManualClock } from '../support/manual-clock.ts';

const oldOf = (table: ProcessTable, pid: number, uptimeSeconds: number): number[] | null =>
  lineageOf(table, { pid, uptimeMs: uptimeSeconds * 1_000 })?.old.map((old) => old.pid) ?? null;

describe('the workers of before a reload', () => {
  test('are those that -sf and -st name, and on through those that live', () => {
    const first = process(10, 1, 900, 'haproxy -D -f a.cfg');
    const second = process(11, 1, 600, 'haproxy -D -f a.cfg -p pid -sf 10');
    const third = process(12, 1, 5, '/usr/sbin/haproxy -D -f a.cfg -st 11 -p pid');
    const other = process(20, 1, 700, 'haproxy -D -f b.cfg');
    expect(oldOf(machine(first, second, third, other), 12, 5)).toEqual([10, 11]);
    expect(oldOf(machine(second, third, other), 12, 5)).toEqual([11]);
    expect(oldOf(machine(third, other), 12, 5)).toEqual([]);
  });

  test('are older children of the same master, and never the master itself', () => {
    const master = process(100, 1, 900, 'haproxy -sf 101 102 -x sockpair@3 -Ws -f a.cfg');
    const oldest = process(101, 100, 890, 'haproxy -Ws -f a.cfg');
    const old = process(102, 100, 60, 'haproxy -sf 101 -x sockpair@3 -Ws -f a.cfg');
    const current = process(103, 100, 3, 'haproxy -sf 102 101 -x sockpair@4 -Ws -f a.cfg');
    const younger = process(104, 100, 0, 'haproxy -sf 103 102 -x sockpair@5 -Ws -f a.cfg');
    const program = process(105, 100, 890, 'dataplaneapi -f x');
    // `program` with `no option start-on-reload` (tried on 2.6.12 and 3.0.11).
    const exporter = process(106, 100, 890, 'haproxy_exporter --haproxy.scrape-uri=http://127.0.0.1:8404/');
    const neighbour = process(200, 1, 900, 'haproxy -Ws -f b.cfg');
    const its = process(201, 200, 890, 'haproxy -Ws -f b.cfg');
    const all = machine(master, oldest, old, current, younger, program, exporter, neighbour, its);
    expect(oldOf(all, 103, 3)).toEqual([101, 102]);
    expect(oldOf(all, 101, 890)).toEqual([]);
    // After a failed reload the master alone names the worker that serves (3.1 and later).
    expect(oldOf(machine(master, current), 103, 3)).toEqual([]);
  });

  test('are older children of the same master also where no command line names them', () => {
    const master = process(100, 1, 900, 'haproxy -W -f a.cfg');
    const old = process(101, 100, 890, 'haproxy -W -f a.cfg');
    const current = process(102, 100, 3, 'haproxy -W -f a.cfg');
    expect(oldOf(machine(master, old, current), 102, 3)).toEqual([101]);
  });

  test('are the workers of a master that was replaced by -sf, and not that master', () => {
    const before = process(100, 1, 900, 'haproxy -W -D -f a.cfg');
    const worker = process(101, 100, 900, 'haproxy -W -D -f a.cfg');
    const master = process(110, 1, 4, 'haproxy -W -D -f a.cfg -sf 100');
    const current = process(111, 110, 4, 'haproxy -W -D -f a.cfg -sf 100');
    expect(oldOf(machine(before, worker, master, current), 111, 4)).toEqual([101]);
  });

  test('are not another HAProxy that was started by the same shell, nor a process that has the old pid now', () => {
    const shell = process(5, 1, 950, 'bash');
    const other = process(6, 5, 900, 'haproxy -db -f b.cfg');
    const current = process(7, 5, 4, 'haproxy -db -f a.cfg -sf 10');
    expect(oldOf(machine(shell, other, current), 7, 4)).toEqual([]);
    expect(oldOf(machine(shell, current, process(10, 5, 1, 'haproxy -f c.cfg')), 7, 4)).toEqual([]);
    expect(oldOf(machine(shell, current, process(10, 5, 99, 'node server.js')), 7, 4)).toEqual([]);
  });

  test.each([
    ['is gone', machine()],
    ['is no HAProxy, as where containers count from 1', machine(process(7, 0, 4, 'node lastcall'))],
    ['is a HAProxy of another pid namespace', machine(process(7, 1, 4, 'haproxy -f a.cfg', true))],
    ['began at another time', machine(process(7, 1, 90, 'haproxy -f a.cfg'))],
    ['is younger than its uptime', machine(process(7, 1, 4, 'haproxy -f a.cfg'))],
  ])('cannot be seen where the process of that pid %s', (what, table) => {
    expect(oldOf(table, 7, what.includes('younger') ? 60 : 4)).toBeNull();
  });

  test('cannot be seen where /proc hides processes', () => {
    const table = machine(process(7, 1, 4, 'haproxy -f a.cfg'));
    expect(oldOf(table, 7, 4)).toEqual([]);
    table.restricted = true;
    expect(oldOf(table, 7, 4)).toBeNull();
  });
});

describe('old processes', () => {
  test('are searched for once for each worker, and then only looked at until they end', () => {
    const clock = new ManualClock();
    const workers = createWorkers(clock);
    const first = process(10, 1, 900, 'haproxy -f a.cfg');
    const table = machine(first, process(11, 1, 5, 'haproxy -f a.cfg -sf 10'));
    const here = createOldProcesses(table, clock);
    const info = { pid: 11, version: '2.6.12', uptimeSeconds: 5 };
    const worker = workers.identify(info);
    for (let round = 0; round < 3; round += 1) expect(here.of(workers.identify(info))).toEqual([10]);
    expect([here.lives(10), here.lives(11)]).toEqual([true, false]);
    // Another process may get its number.
    table.processes.set(10, process(10, 1, 1, 'haproxy -f c.cfg'));
    expect(here.of(worker)).toEqual([]);
    expect(here.of(worker)).toEqual([]);
    expect(table.searches).toBe(1);
  });

  test('may live as long as /proc has only begun to hide them', () => {
    const clock = new ManualClock();
    const table = machine(
      process(10, 1, 900, 'haproxy -f a.cfg'),
      process(11, 1, 5, 'haproxy -f a.cfg -sf 10'),
    );
    const here = createOldProcesses(table, clock);
    const worker = createWorkers(clock).identify({ pid: 11, version: '', uptimeSeconds: 5 });
    expect(here.of(worker)).toEqual([10]);
    table.at = (pid) => (pid === 10 ? 'hidden' : (table.processes.get(pid) ?? 'gone'));
    expect([here.of(worker), here.lives(10)]).toEqual([[10], true]);
  });

  // `-sf` twice in a row: the worker in between had no users and is gone, with the only line that named the first one.
  test('are unclear while one of the same configuration lives that only an ended worker can have named', () => {
    const clock = new ManualClock();
    const first = process(10, 1, 900, 'haproxy -D -f a.cfg');
    const other = process(20, 1, 900, 'haproxy -D -f b.cfg');
    const table = machine(first, other, process(12, 1, 5, 'haproxy -D -f a.cfg -x s -sf 11'));
    const worker = createWorkers(clock).identify({ pid: 12, version: '', uptimeSeconds: 5 });
    const here = createOldProcesses(table, clock);
    expect(here.of(worker)).toBeNull();
    table.processes.delete(10);
    expect(here.of(worker)).toEqual([]);
  });

  test.each([
    ['of a file after --', 'haproxy -D -- a.cfg', 'haproxy -D -sf 11 -- a.cfg', true],
    ['of another file, if it listens nowhere', 'haproxy -f a-1.cfg', 'haproxy -f a-3.cfg -sf 11', false],
    ['of another file, if its sockets are hidden', 'haproxy -f a-1.cfg', 'haproxy -f a-3.cfg -sf 11', null],
  ])('are unclear too while one lives %s', (_which, old, young, listens) => {
    const table = machine(process(10, 1, 900, old), process(12, 1, 5, young));
    if (listens !== true) table.silent.set(10, listens);
    const worker = createWorkers(new ManualClock()).identify({ pid: 12, version: '', uptimeSeconds: 5 });
    expect(createOldProcesses(table, new ManualClock()).of(worker)).toBeNull();
  });

  test('stay known where their successor has ended before them', () => {
    const clock = new ManualClock();
    const workers = createWorkers(clock);
    const first = process(10, 1, 900, 'haproxy -f a.cfg');
    const table = machine(first, process(11, 1, 50, 'haproxy -f a.cfg -sf 10'));
    const here = createOldProcesses(table, clock);
    here.of(workers.identify({ pid: 11, version: '', uptimeSeconds: 50 }));
    table.processes.delete(11);
    table.processes.set(12, process(12, 1, 1, 'haproxy -f a.cfg -sf 11'));
    expect(here.of(workers.identify({ pid: 12, version: '', uptimeSeconds: 1 }))).toEqual([10]);
  });
});

describe('a worker', () => {
  const of = (pid: number, uptimeSeconds: number) => ({ pid, version: '2.6.12', uptimeSeconds });

  test('is the same as long as it grows older, with a birth that does not move', () => {
    const clock = new ManualClock();
    const workers = createWorkers(clock);
    const worker = workers.identify(of(7, 100));
    expect(worker).toEqual({ pid: 7, bornAt: clock.now() - 100_000 });
    clock.advance(1_900);
    expect(workers.identify(of(7, 101))).toBe(worker);
    // HAProxy stood still for a minute; its clock leaves that out.
    clock.advance(60_000);
    expect(workers.identify(of(7, 101))).toBe(worker);
  });

  test('is another one when its pid is, or when the same pid began anew', () => {
    const clock = new ManualClock();
    const workers = createWorkers(clock);
    const first = workers.identify(of(7, 100));
    clock.advance(10_000);
    const second = workers.identify(of(7, 4));
    expect(second).not.toBe(first);
    expect(second.bornAt).toBe(clock.now() - 4_000);
    clock.advance(1_000);
    expect(workers.identify(of(7, 5))).toBe(second);
    expect(workers.identify(of(8, 5))).not.toBe(second);
    // Restarted right after it was seen: its birth alone would fit, its age does not.
    const old = workers.identify(of(6, 100));
    clock.advance(1_000);
    expect(workers.identify(of(6, 1))).not.toBe(old);
    // Seen young, and then not for long: its successor is older than it was.
    const young = workers.identify(of(9, 1));
    clock.advance(60_000);
    expect(workers.identify(of(9, 30))).not.toBe(young);
  });
});
