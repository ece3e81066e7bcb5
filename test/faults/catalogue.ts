import { CAPACITY_FAULTS } from './a-capacity.ts';
import { COUNT_FAULTS } from './a-counts.ts';
import { DRAIN_FAULTS } from './a-drain.ts';
import { ANSWER_FAULTS } from './b-answers.ts';
import { RELOAD_FAULTS } from './b-reloads.ts';
import { SILENCE_FAULTS } from './b-silence.ts';
import { APP_FAULTS } from './c-app.ts';
import { PROBE_FAULTS } from './c-probes.ts';
import { CRASH_FAULTS } from './d-crashes.ts';
import { SIDECAR_FAULTS } from './d-sidecar.ts';
import { OPERATOR_FAULTS } from './e-operators.ts';
import { INPUT_FAULTS } from './f-input.ts';
import type { Fault } from './fault.ts';
import { SECURITY_FAULTS } from './g-security.ts';
import { RESOURCE_FAULTS } from './h-resources.ts';

/** Every fault, by its number. */
export const CATALOGUE: readonly Fault[] = [
  ...DRAIN_FAULTS,
  ...COUNT_FAULTS,
  ...CAPACITY_FAULTS,
  ...RELOAD_FAULTS,
  ...SILENCE_FAULTS,
  ...ANSWER_FAULTS,
  ...APP_FAULTS,
  ...PROBE_FAULTS,
  ...CRASH_FAULTS,
  ...SIDECAR_FAULTS,
  ...OPERATOR_FAULTS,
  ...INPUT_FAULTS,
  ...SECURITY_FAULTS,
  ...RESOURCE_FAULTS,
].toSorted((one, other) => one.number - other.number);
