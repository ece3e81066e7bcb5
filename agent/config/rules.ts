import type { Config, HaproxyConfig, HealthListenConfig, HttpProbeConfig } from './config.ts';
import { SOURCE_KINDS, type SourceConfig } from './source-config.ts';
import { checkListen } from './listen-rules.ts';
import { checkPollers } from './poller-rules.ts';
import type { Finding } from './problem.ts';
import { checkPool, warnOfPool } from './pool-rules.ts';
import { checkRepeats } from './repeat-rules.ts';
import { checkTimes, warnOfGrace, warnOfRamp } from './time-rules.ts';
import { socketPathProblem } from './validators.ts';

/**
 * How the values of a configuration have to fit together.
 * @param supervised true under `run -- COMMAND`: start and stop are the child's
 * @returns every contradiction, with the path of the value that has to change
 */
export async function checkRules(config: Config, supervised: boolean): Promise<Finding[]> {
  return [
    ...checkSocket(config),
    ...checkListen(config),
    ...checkTimes(config),
    ...checkSignOut(config),
    ...checkBalancers(config),
    ...checkRepeats(config),
    ...checkIgnored(config),
    ...checkPollers(config),
    ...checkAnswers(config),
    ...checkSources(config),
    ...checkNeeds(config, supervised),
    ...checkPool(config),
    ...(await checkSchedule(config)),
  ];
}

/** Warnings of a valid configuration. */
export function warningsOf(config: Config, supervised: boolean): string[] {
  const warnings: string[] = [];
  if (config.listen.health !== null && config.balancers.every(({ kind }) => kind !== 'health')) {
    warnings.push('listen.health answers UP and DOWN, and no DRAIN: no balancer is listed as `health`');
  }
  if (config.listen.health !== null) warnings.push(...overlappingAnswers(config.listen.health.answers));
  if (supervised || config.app.stop !== null) warnings.push(...uncounted(config), ...warnOfGrace(config));
  warnings.push(...warnOfRamp(config), ...warnOfPool(config), ...warnOfSeconds(config));
  if (config.foreignDrain === 'follow') warnings.push(...notFollowed(config, supervised));
  if (supervised && config.app.start !== null)
    warnings.push('app.start is not used: the command line names the app');
  if (supervised && config.app.stop !== null)
    warnings.push('app.stop is not used: the command line names the app');
  if (!supervised && isUnproven(config.app))
    warnings.push(
      'app.stop.gone is missing: nothing proves that the application has ended when its stop command returns, so stop warns and restart refuses (78 config)',
    );
  config.balancers.forEach((balancer, index) => {
    if (balancer.kind === 'haproxy' && balancer.master !== null)
      warnings.push(`balancers[${index}].master: ${FRAGILE_MASTER}`);
  });
  return warnings;
}

/** Warns that stop and restart will refuse later, as far as that follows from the file: only HAProxy shows stickiness. */
function uncounted({ sessions, sticky, drain }: Config): string[] {
  if (sticky === false || drain.quietExplicit || sessions.some(countsUsers)) return [];
  if (sticky === 'auto' && sessions.length === 0) return [];
  const where = sticky === true ? '' : ' where users are sticky, or in mode tcp';
  return [`no source in sessions counts users: stop and restart refuse${where} (75 uncounted)`];
}

function countsUsers({ kind }: SourceConfig): boolean {
  return SOURCE_KINDS[kind].counts === 'users';
}

/** Which foreign DRAIN is not followed in spite of `foreignDrain: follow`. */
function notFollowed({ balancers, adopt }: Config, supervised: boolean): string[] {
  if (balancers.every(({ kind }) => kind !== 'haproxy'))
    return ['foreignDrain: follow has nothing to follow: no balancer here shows the state of its servers'];
  if (!(adopt ?? supervised)) return [];
  return [
    `foreignDrain: a DRAIN that is found at a start without a record is taken for lastcall's own and ended (adopt${adopt === null ? ', the default under `run -- COMMAND`' : ''}); with \`adopt: false\` it is followed`,
  ];
}

/** The file does not show which version runs there (BEHAVIOUR.md#the-master-socket). */
const FRAGILE_MASTER =
  'HAProxy 3.4.0 to 3.5-dev5 ends at any connection to its master CLI once a reload has failed by a broken file; with such a version try each file with `haproxy -c` before a reload, or leave `master` out';

/** A monitor that searches for one answer finds it within another: F5 searches the whole answer, and ignores case. */
function overlappingAnswers({ up, ...others }: HealthListenConfig['answers']): string[] {
  return Object.entries(others)
    .filter(([, { body }]) => body.toLowerCase().includes(up.body.toLowerCase()))
    .map(
      ([name, { body }]) =>
        `listen.health.${name}: a monitor that looks for ${JSON.stringify(up.body)} finds it in ${JSON.stringify(body)} too`,
    );
}

function at(path: Finding['path'], message: string): Finding {
  return { path, message, at: 'value' };
}

/** A path in the file is checked by the schema; this one may be made of the node's name. */
function checkSocket({ listen }: Config): Finding[] {
  const message = socketPathProblem(listen.control.path);
  return message === undefined ? [] : [at(['listen', 'control'], message)];
}

function checkSignOut({ app }: Config): Finding[] {
  if (app.probe?.how.kind !== 'http') return [];
  const { healthy, signOut }: HttpProbeConfig = app.probe.how;
  return signOut.status.flatMap((status, index) =>
    healthy.includes(status)
      ? [at(['app', 'probe', 'http', 'signOut', 'status', index], `${status} is a healthy status already`)]
      : [],
  );
}

function checkBalancers({ balancers }: Config): Finding[] {
  return balancers.flatMap((balancer, index) =>
    balancer.kind === 'haproxy' ? [...checkServers(balancer, index), ...checkTls(balancer, index)] : [],
  );
}

/** Left out on purpose and listed as this node's: one of the two is a mistake. */
function checkIgnored({ ignoreServers, balancers }: Config): Finding[] {
  const servers = new Set(balancers.flatMap((one) => (one.kind === 'haproxy' ? one.servers : [])));
  return ignoreServers.flatMap((name, index) =>
    servers.has(name) ? [at(['ignoreServers', index], `${name} is listed in servers`)] : [],
  );
}

function checkTls({ address, tls }: HaproxyConfig, balancer: number): Finding[] {
  const encrypted = address.startsWith('tls://');
  if (encrypted && tls === null)
    return [at(['balancers', balancer, 'haproxy'], 'needs tls: { ca, cert, key }')];
  if (!encrypted && tls !== null)
    return [at(['balancers', balancer, 'tls'], 'goes with tls://host:port only')];
  return [];
}

function checkServers({ servers }: HaproxyConfig, balancer: number): Finding[] {
  return servers.flatMap((server, index) =>
    servers.indexOf(server) < index
      ? [at(['balancers', balancer, 'servers', index], `${server} is listed twice`)]
      : [],
  );
}

/** A monitor cannot distinguish equal answers: UP is the one that must be unlike the others. */
function checkAnswers({ listen }: Config): Finding[] {
  if (listen.health === null) return [];
  const { up, drain, down } = listen.health.answers;
  return Object.entries({ drain, down }).flatMap(([name, { status, body }]) =>
    status === up.status && body === up.body
      ? [at(['listen', 'health', name], 'is the same as up: no monitor could distinguish them')]
      : [],
  );
}

/** A source that asks HAProxy does not see the users that come by another balancer. */
function isInApp({ kind }: SourceConfig): boolean {
  return !SOURCE_KINDS[kind].asksHaproxy;
}

function checkSources({ sessions, balancers }: Config): Finding[] {
  if (balancers.some(({ kind }) => kind === 'haproxy')) return [];
  return sessions.flatMap((source, index) =>
    isInApp(source)
      ? []
      : [at(['sessions', index, source.kind], 'asks HAProxy, and no balancer is listed as haproxy')],
  );
}

function checkNeeds(config: Config, supervised: boolean): Finding[] {
  const found: Finding[] = [];
  const { balancers, sessions, listen, app } = config;
  balancers.forEach((balancer, index) => {
    const polls = balancer.kind !== 'haproxy';
    const key = polls ? balancer.kind : 'writer';
    const path = ['balancers', index, key];
    if (polls && !sessions.some(isInApp)) {
      found.push(at(path, 'gives no count: sessions must name a source in the app'));
    }
    if (balancer.kind === 'health') {
      if (listen.health === null) found.push(at(path, 'needs listen.health, where it can ask us'));
    } else if ((polls || balancer.writer === 'agent-check') && listen.agentCheck === null) {
      found.push(at(path, 'needs listen.agentCheck, where it can ask us'));
    }
  });
  if (config.drain.expiresMs !== null && app.probe === null) {
    found.push(at(['drain', 'expires'], 'needs app.probe: it brings back only what a probe found healthy'));
  }
  if (app.onSignOut === 'stop' && app.stop === null && !supervised) {
    found.push(at(['app', 'onSignOut'], 'stop needs app.stop'));
  }
  return [...found, ...checkRestarts(config, supervised)];
}

function checkRestarts({ schedule, app }: Config, supervised: boolean): Finding[] {
  const stop = app.stop === null ? 'app.stop' : '';
  const missing = {
    restart: [app.start === null ? 'app.start' : '', stop, isUnproven(app) ? 'app.stop.gone' : ''],
    // The boot itself may start it; then only its probe shows when it is there.
    reboot: [app.start === null && app.probe === null ? 'app.start or app.probe' : '', stop],
  };
  if (supervised) return [];
  return schedule.flatMap(({ do: what }, index) => {
    const keys = what === 'restart' || what === 'reboot' ? missing[what].filter((key) => key !== '') : [];
    return keys.length === 0 ? [] : [at(['schedule', index, 'do'], `${what} needs ${keys.join(' and ')}`)];
  });
}

/** A stop command may return before the application has ended, and nothing shows when it has. */
function isUnproven({ stop }: Config['app']): boolean {
  return (stop?.kind === 'command' || stop?.kind === 'http') && stop.gone === null;
}

/** node-cron is loaded only where a calendar is configured. */
async function checkSchedule({ schedule }: Config): Promise<Finding[]> {
  if (schedule.length === 0) return [];
  const { validateDetailed } = await import('node-cron');
  return schedule.flatMap(({ cron, timezone }, index) => {
    const { errors } = validateDetailed(cron);
    const problem = errors.map(({ message }) =>
      at(
        ['schedule', index, 'cron'],
        `is not a cron expression: ${message.replace('is a invalid', 'is an invalid')}`,
      ),
    );
    const known = timezone === null || isTimezone(timezone);
    return known
      ? problem
      : [...problem, at(['schedule', index, 'timezone'], 'is not a time zone such as Europe/Zurich')];
  });
}

/** Six fields are right for node-cron, as for Quartz and Spring; who knows crontab alone adds a sixth at the wrong end. */
function warnOfSeconds({ schedule }: Config): string[] {
  return schedule.flatMap(({ cron }, index) =>
    cron.trim().split(/\s+/).length === 6
      ? [
          `schedule[${index}].cron has six fields, the first of which is the second of the minute; a crontab has five, and begins with the minute`,
        ]
      : [],
  );
}

function isTimezone(name: string): boolean {
  try {
    // The only way to ask: Intl throws for an unknown name. It accepts aliases that supportedValuesOf leaves out.
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
