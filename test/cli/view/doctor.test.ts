import { describe, expect, test } from '@jest/globals';
import { diagnosisLines } from '../../../agent/cli/view/doctor.ts';
import type { Diagnosis, LiveProof } from '../../../agent/doctor/diagnosis.ts';

const CLEAN: Diagnosis = {
  ok: true,
  code: 'done',
  node: 'app1',
  user: 'root',
  traps: [],
  unseen: [],
  looked: 60,
};

function lastLine(changes: Partial<Diagnosis>): string | undefined {
  return diagnosisLines({ ...CLEAN, ...changes }, { quiet: false }).at(-1);
}

function after(result: LiveProof['result']): string | undefined {
  const ok = result === 'proven';
  return lastLine({ ok, code: ok ? 'done' : 'failed', live: { result, seen: ['seen'] } });
}

describe('The last line of a diagnosis', () => {
  test('says that nothing breaks the promise only where nothing does', () => {
    const end = ' (looked for 60 as root)';
    expect(lastLine({})).toBe(`app1: nothing breaks the promise${end}`);
    expect(after('proven')).toBe(`app1: nothing breaks the promise${end}`);
    expect(after('refuted')).toBe(`app1: the trial drain refutes the promise${end}`);
    expect(after('unproven')).toBe(`app1: the trial drain proves nothing${end}`);
  });
});
