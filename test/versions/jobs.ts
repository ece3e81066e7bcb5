// What has to work on every version, and which tests show it. A job is green when at least one of its tests ran and
// none failed; tests of these files that belong to no job count in the sum alone.

/** A job and tests that show it. */
export interface Job {
  readonly job: string;
  /** From the directory of package.json on. */
  readonly file: string;
  /** Matches their full names; default all tests of the file. */
  readonly test?: RegExp;
  /** The first HAProxy, major and minor, that has what it is about; an older one shows `-` in the table. */
  readonly from?: readonly [number, number];
}

const SAMPLES = 'test/haproxy-samples';
const MAIN = 'test/versions/main-job.versions.ts';
const SAMPLE = 'test/haproxy-sample.test.ts';
const HEALTH = 'test/health-port-sample.test.ts';

/** The main job, with each HAProxy and each Node. */
export const MAIN_JOBS: readonly Job[] = [
  { job: 'direct stop and ready', file: MAIN, test: /^direct stop and ready / },
  { job: 'sidecar restart', file: MAIN, test: /^sidecar restart / },
  { job: 'abort restores', file: MAIN, test: /^abort restores / },
];

/** With each HAProxy that lastcall works with. */
export const JOBS: readonly Job[] = [
  ...MAIN_JOBS,
  { job: 're-assert after a reload', file: 'test/e2e/reload.test.ts' },
  { job: 'old workers by the master', file: 'test/e2e/old-workers.test.ts' },
  { job: 'forced closing', file: 'test/e2e/force.test.ts' },
  { job: 'the last usable server', file: 'test/balancers/runtime-api/capacity.test.ts' },
  { job: 'the last usable server', file: 'test/e2e/capacity.test.ts' },
  { job: 'stick table', file: 'test/sessions/stick-table.test.ts' },
  { job: 'stick table', file: 'test/sessions/stick-table-keys.test.ts' },
  { job: 'stick table', file: 'test/sessions/stick-table-unknown.test.ts' },
  { job: 'health port', file: HEALTH, test: / signs a draining node out, | keeps a node UP / },
  { job: 'agent-check as writer', file: 'test/balancers/agent-check/runtime-writer.test.ts' },
  { job: 'agent-check as writer', file: 'test/balancers/agent-check/runtime-writer-reloads.test.ts' },
  { job: 'shipped samples', file: SAMPLE, test: /^haproxy\/haproxy\.cfg / },
  { job: 'shipped samples', file: HEALTH, test: / is valid as it is shipped/ },
  { job: 'shipped samples', file: 'test/haproxy/tls.test.ts' },
  { job: 'samples read without an alert', file: `${SAMPLES}/samples.test.ts`, test: /without an alert/ },
  { job: 'samples under users', file: `${SAMPLES}/blue-green.test.ts` },
  { job: 'samples under users', file: `${SAMPLES}/fastcgi-php.test.ts` },
  { job: 'samples under users', file: `${SAMPLES}/least-privilege.test.ts` },
  { job: 'samples under users', file: `${SAMPLES}/mutual-tls.test.ts` },
  { job: 'samples under users', file: `${SAMPLES}/pair.test.ts`, test: /failover/ },
  { job: 'samples under users', file: 'test/recipes/stick-table.test.ts' },
  { job: 'samples under users', file: 'test/recipes/url-session.test.ts' },
  { job: 'init-state is told', file: 'test/e2e/init-state.test.ts', from: [3, 1] },
  { job: 'init finds the node', file: 'test/e2e/init.test.ts' },
  { job: 'init, doctor and a dry run on unknown ones', file: 'test/e2e/field.test.ts' },
  { job: 'BEHAVIOUR.md', file: 'test/haproxy/behaviour.test.ts' },
  { job: 'reload.sh', file: SAMPLE, test: /^haproxy\/reload\.sh / },
];

/** With a HAProxy that lastcall does not work with. */
export const REFUSED: readonly Job[] = [
  { job: 'refused with the reason', file: 'test/versions/refused.versions.ts' },
];
