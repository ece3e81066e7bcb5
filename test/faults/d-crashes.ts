import { CRASH_POINTS, type CrashPoint, openCrashCampaign } from '../support/crash-campaign.ts';
import { compare, type Fault, type FaultSeen } from './fault.ts';
import type { FaultStage } from './fault-stage.ts';

/** kill -9 of the sidecar at nine points of a restart, under users who come and go. */

/** The catalogue's number of the first of them. */
const FIRST = 42;
/** From the other start of the sidecar. */
const WITHIN_MS = 30_000;

async function crashAt(stage: FaultStage, point: CrashPoint): Promise<FaultSeen> {
  const campaign = await openCrashCampaign();
  stage.onEnd(() => campaign.close());
  const report = await campaign.crashAt(point, false);
  const { asked, result, stops, stoppedWith, failed, lost, status, againMs } = report;
  const seen = { asked, code: result?.code ?? null, stops, stoppedWith, failed, lost, status, againMs };
  // What never reached the disk was never accepted, and the caller got that answer.
  const isAccepted = point !== 'before-intent';
  const expected = {
    asked: isAccepted ? { atLeast: 0 } : 69,
    code: isAccepted ? 'done' : null,
    stops: isAccepted ? 1 : 0,
    stoppedWith: 0,
    failed: 0,
    lost: 0,
    status: /^UP/,
    againMs: { atMost: WITHIN_MS },
  };
  return compare(seen, expected, `${(againMs / 1000).toFixed(1)} s from the other start to \`serving\``);
}

const MOMENTS: Readonly<Record<CrashPoint, string>> = {
  'before-intent': 'at its first question to HAProxy',
  'after-intent': 'in the place of its DRAIN',
  'after-drain': 'right after its DRAIN',
  'after-readback': 'after DRAIN was read back',
  settle: 'while zero is watched',
  'before-stop': 'at the last look before the stop',
  'after-stop': 'right after its SIGTERM',
  'before-ready': 'in the place of its READY',
  'after-ready': 'right after its READY',
};

export const CRASH_FAULTS: readonly Fault[] = CRASH_POINTS.map((point, index) => ({
  number: FIRST + index,
  title: `kill -9 of the sidecar, ${point}`,
  made: `\`lastcall restart\` under users, kill -9 ${MOMENTS[point]}, another start of the sidecar`,
  expected:
    point === 'before-intent'
      ? 'never accepted: the caller gets 69, nothing was changed, and it serves within 30 s'
      : 'the restart is resumed, and done within 30 s of the other start; one stop, no session lives at it, no request fails',
  run: (stage: FaultStage) => crashAt(stage, point),
  corrected:
    'the points are met from outside, by what passes to HAProxy and what is on disk: the product has no hooks for it',
}));
