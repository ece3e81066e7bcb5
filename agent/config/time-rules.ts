import type { Config, DrainConfig, ProbeConfig } from './config.ts';
import { isThisMachine, parseAddress } from '../haproxy/address.ts';
import { formatDuration } from '../formats/duration.ts';
import { SOURCE_KINDS } from './source-config.ts';
import type { Finding } from './problem.ts';

/** Durations that are valid by themselves, but with which no drain, or no return, could succeed. */

/** The shortest pause between two probes: below that the probe itself is load. */
const PROBE_EVERY_LEAST_MS = 100;
/** The longest pause between two probes: `ready` waits for `rise` answers, and an older answer shows nothing of the present. */
const PROBE_EVERY_MOST_MS = 10 * 60_000;
/** An application that has not answered for a minute is not well, whatever it answers then. */
const PROBE_TIMEOUT_MOST_MS = 60_000;

/**
 * Checks durations against each other and against their purpose.
 * @returns every contradiction, with the path of the value that has to change
 */
export function checkTimes({ drain, app }: Pick<Config, 'drain' | 'app'>): Finding[] {
  return [...checkQuiet(drain), ...(app.probe ? checkProbe(app.probe) : [])];
}

/** Zero has to hold for `quiet` before the deadline. */
function checkQuiet({ quietMs, quietExplicit, timeoutMs }: DrainConfig): Finding[] {
  if (quietMs < timeoutMs) return [];
  const [quiet, timeout] = [formatDuration(quietMs), formatDuration(timeoutMs)];
  return quietExplicit
    ? [at(['drain', 'quiet'], `must be shorter than drain.timeout (${timeout}): every drain would end 124`)]
    : [at(['drain', 'timeout'], `must be longer than drain.quiet (${quiet}): every drain would end 124`)];
}

/**
 * Warns that stop and restart will refuse (75 `uncounted`) where no old worker can be seen: HAProxy on another
 * machine, without a master CLI, and no kernel that counts. On this machine /proc shows them, as a rule.
 */
export function warnOfGrace({ balancers, sessions, drain, reloadGraceMs }: Config): string[] {
  if (
    reloadGraceMs <= drain.timeoutMs ||
    sessions.some(({ kind }) => SOURCE_KINDS[kind].counts === 'connections')
  )
    return [];
  const [grace, timeout] = [formatDuration(reloadGraceMs), formatDuration(drain.timeoutMs)];
  return balancers.flatMap((balancer, index) =>
    balancer.kind !== 'haproxy' ||
    balancer.master !== null ||
    isThisMachine(parseAddress(balancer.address, 'config'))
      ? []
      : [
          `balancers[${index}]: reloadGrace (${grace}) is longer than drain.timeout (${timeout}), and workers of before a reload cannot be seen: right after one stop and restart refuse (75 uncounted); let \`master\` or a \`tcp\` source count them`,
        ],
  );
}

/**
 * A balancer that only polls shows no weight: what it was could not be given back, and a percent of a small one is cut off to 0,
 * a drain.
 */
export function warnOfRamp({ balancers, return: { warmUpMs } }: Config): string[] {
  if (warmUpMs === 0) return [];
  return balancers.flatMap((balancer, index) =>
    balancer.kind === 'haproxy'
      ? []
      : [
          `balancers[${index}]: return.warmUp does not reach it, its servers get their whole share at once: it shows no weight, so none could be given back exactly`,
        ],
  );
}

function checkProbe({ everyMs, timeoutMs }: ProbeConfig): Finding[] {
  const found: Finding[] = [];
  const [least, most] = [formatDuration(PROBE_EVERY_LEAST_MS), formatDuration(PROBE_EVERY_MOST_MS)];
  if (everyMs < PROBE_EVERY_LEAST_MS)
    found.push(at(['app', 'probe', 'every'], `must be ${least} or more: the probe would be load of its own`));
  if (everyMs > PROBE_EVERY_MOST_MS)
    found.push(at(['app', 'probe', 'every'], `must be ${most} or less: its health would be history`));
  if (timeoutMs > PROBE_TIMEOUT_MOST_MS) {
    const limit = formatDuration(PROBE_TIMEOUT_MOST_MS);
    found.push(
      at(['app', 'probe', 'timeout'], `must be ${limit} or less: a hung app would pass for healthy so long`),
    );
  }
  return found;
}

function at(path: Finding['path'], message: string): Finding {
  return { path, message, at: 'value' };
}
