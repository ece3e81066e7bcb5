import { describe, expect, test } from '@jest/globals';
import { lineageOf } from '../../agent/haproxy/predecessors.ts';
import { createOldProcesses, createWorkers } from '../../agent/haproxy/workers.ts';
import type { ProcessTable } from '../../agent/system/process-table.ts';
import { type FakeTable, machine, process } from '../support/fake-processes.ts';
import { ManualClock } from '../support/manual-clock.ts';

describe('another HAProxy of the same configuration, which no reload names', () => {
  const FILE = 'haproxy -D -f /etc/haproxy/haproxy.cfg';
  const twinsOf = (table: ProcessTable): number[] | undefined =>
    lineageOf(table, { pid: 12, uptimeMs: 5_000 })?.twins.map(({ pid }) => pid);
  const beside = (command: string): FakeTable =>
    machine(process(10, 1, 900, command), process(12, 1, 5, `${FILE} -p /run/haproxy.pid`));

  test('is found where it serves the same port, or where its sockets are hidden', () => {
    const table = beside(FILE);
    expect(twinsOf(table)).toEqual([10]);
    table.share = null;
    expect(twinsOf(table)).toEqual([10]);
    table.share = false;
    expect(twinsOf(table)).toEqual([]);
    // It was ended by hand, and serves the users that it has.
    table.silent.set(10, false);
    expect(twinsOf(table)).toEqual([10]);
  });

  test('is a worker, and not its master', () => {
    const master = process(8, 1, 900, `${FILE} -W`);
    const table = machine(master, process(9, 8, 900, `${FILE} -W`), process(12, 1, 5, FILE));
    expect(twinsOf(table)).toEqual([9]);
  });

  test.each([
    ['one with another file', 'haproxy -D -f /etc/haproxy/other.cfg'],
    ['one with a file more', `${FILE} -f /etc/haproxy/other.cfg`],
    ['a trial of the file', `${FILE} -c`],
    ['an exporter', 'haproxy_exporter --haproxy.scrape-uri=unix:/run/haproxy/admin.sock'],
  ])('is not %s', (_what, command) => {
    expect(twinsOf(beside(command))).toEqual([]);
  });

  test('is not one whose path may mean another file in its directory', () => {
    const table = machine(process(10, 1, 900, 'haproxy -f a.cfg'), process(12, 1, 5, 'haproxy -f a.cfg'));
    expect(twinsOf(table)).toEqual([]);
  });

  test('is seen until it has ended', () => {
    const table = beside(FILE);
    const clock = new ManualClock();
    const here = createOldProcesses(table, clock);
    const worker = createWorkers(clock).identify({ pid: 12, version: '', uptimeSeconds: 5 });
    expect([here.of(worker), here.twinsOf(worker)]).toEqual([[], [10]]);
    table.processes.delete(10);
    expect(here.twinsOf(worker)).toEqual([]);
  });
});
