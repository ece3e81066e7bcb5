import type { Balancer } from '../balancers/balancer.ts';
import type { Effect } from '../lifecycle/model/effect.ts';
import type { Event } from '../lifecycle/model/event.ts';
import type { StopOutcome } from '../app/contracts.ts';
import { type Code, isLastcallError, LastcallError } from '../system/error.ts';
import { freeHolder, readHolder } from './ask-holder.ts';
import { askLock } from './ask-lock.ts';
import { lookForLife, NO_SIGNS } from './life-signs.ts';
import type { Ports } from './ports.ts';
import { askReboot } from './ask-reboot.ts';
import { untilProbeFails } from './until-probe-fails.ts';
import { sendWarning } from './send-warning.ts';
import { setGate } from './set-gate.ts';
import { setWeight } from './set-weight.ts';
import { errorText } from '../system/error-text.ts';
import type { StateFile } from './state-file.ts';

/** What happened, before it is stamped with the time. */
export type UnstampedEvent = Event extends infer E ? (E extends Event ? Omit<E, 'at'> : never) : never;

/** The effects that touch the world; each of them ends in exactly one event. */
export type AsyncEffect = Exclude<
  Effect,
  { type: 'poll' | 'count' | 'reset-probe' | 'reply' | 'finish' | 'log' | 'slot-freed' }
>;

/** The ports, and where the engine keeps its records. */
export type EffectPorts = Ports & { readonly file: Pick<StateFile, 'save'> };

/** Carries out one effect and returns its event. Never throws and never decides: a failure is an event too. */
export function runEffect(
  ports: EffectPorts,
  effect: AsyncEffect,
  signal: AbortSignal,
): Promise<UnstampedEvent> {
  switch (effect.type) {
    case 'persist':
      return persist(ports, effect);
    case 'survey':
      return survey(ports, effect, signal);
    case 'check':
      return check(ports, effect, signal);
    case 'set-server':
      return setServer(ports, effect, signal);
    case 'set-weight':
      return setWeight(ports.clock, named(ports, effect.balancer), effect, signal);
    case 'close-connections':
      return closeConnections(ports, effect, signal);
    case 'stop':
      return stop(ports, effect, signal);
    case 'check-stop':
      return checkStop(ports, effect, signal);
    case 'look-for-life':
      return look(ports, effect, signal);
    case 'start':
      return start(ports, effect, signal);
    case 'reboot':
      return askReboot(ports, effect, signal);
    case 'set-gate':
      return setGate(ports, effect, signal);
    case 'send-warning':
      return sendWarning(ports, effect, signal);
    case 'ask-lock':
      return askLock(ports, effect.ask, signal);
    case 'read-holder':
      return readHolder(ports, effect, signal);
    case 'free-holder':
      return freeHolder(ports, effect, signal);
    default:
      return effect satisfies never;
  }
}

type EffectOf<T extends AsyncEffect['type']> = Extract<AsyncEffect, { type: T }>;

async function persist(
  { file }: EffectPorts,
  { save, record }: EffectOf<'persist'>,
): Promise<UnstampedEvent> {
  try {
    await file.save(record);
    return { type: 'persisted', save };
  } catch (error) {
    return { type: 'persist-failed', save, error: errorText(error) };
  }
}

async function survey(
  ports: Ports,
  { id, balancer, scope, addresses }: EffectOf<'survey'>,
  signal: AbortSignal,
): Promise<UnstampedEvent> {
  const startedAt = ports.clock.now();
  try {
    const found = await named(ports, balancer).survey(signal, scope, addresses);
    return { type: 'surveyed', id, balancer, survey: found, startedAt };
  } catch (error) {
    const need = `${scope === 'capacity' ? 'capacity' : 'survey'} ${balancer}`;
    return { type: 'check-failed', id, need, code: codeOf(error), error: errorText(error) };
  }
}

async function check(
  ports: Ports,
  { id, need }: EffectOf<'check'>,
  signal: AbortSignal,
): Promise<UnstampedEvent> {
  try {
    if (need !== 'stop') {
      await (need === 'start' ? ports.starter : ports.rebooter)?.check(signal);
      return { type: 'command-checked', id, need, proof: null };
    }
    const found = await ports.stopper?.check(signal);
    if (found && !('pid' in found))
      return { type: 'command-checked', id, need, proof: null, unproven: found };
    return { type: 'command-checked', id, need, proof: found ?? null };
  } catch (error) {
    const gone = need === 'stop' && ports.stopper?.gone(null) === 'gone';
    if (gone)
      return { type: 'app-absent', id, error: errorText(error), signs: await lookForLife(ports, signal) };
    return { type: 'check-failed', id, need, code: codeOf(error), error: errorText(error) };
  }
}

async function setServer(
  ports: Ports,
  effect: EffectOf<'set-server'>,
  signal: AbortSignal,
): Promise<UnstampedEvent> {
  const { balancer, server, admin, mayReplace, epoch } = effect;
  const startedAt = ports.clock.now();
  try {
    const driver = named(ports, balancer);
    const isListed = driver.servers.includes(server);
    const view =
      !isListed && driver.putBack
        ? await driver.putBack(server, admin, mayReplace, signal)
        : await driver.set(server, admin, mayReplace, signal);
    return { type: 'server-set', balancer, server, admin, view, epoch, startedAt };
  } catch (error) {
    return { type: 'set-server-failed', balancer, server, epoch, error: errorText(error) };
  }
}

async function closeConnections(
  ports: Ports,
  { balancer, server, limit }: EffectOf<'close-connections'>,
  signal: AbortSignal,
): Promise<UnstampedEvent> {
  try {
    const closed = await named(ports, balancer).closeSessions(server, limit, signal);
    return { type: 'connections-closed', balancer, server, closed, error: null };
  } catch (error) {
    return { type: 'connections-closed', balancer, server, closed: null, error: errorText(error) };
  }
}

async function stop(
  ports: Ports,
  { epoch, proof }: EffectOf<'stop'>,
  signal: AbortSignal,
): Promise<UnstampedEvent> {
  const { stopper } = ports;
  if (!stopper) return { type: 'stop-failed', epoch, error: 'no way to stop the application is configured' };
  try {
    const { how, warnings } = await stopper.stop(proof, signal);
    const isSeen = stopper.gone(proof) !== 'unknown';
    const isMissed = how === 'gone';
    if ((!isSeen || isMissed) && ports.probing) await untilProbeFails(ports.clock, ports.probing, signal);
    // No answer is no proof, nor is a pid file that names an ended process: the warnings are kept.
    const unproven = isSeen && proof !== null ? {} : ({ unproven: true } as const);
    const signs = isMissed ? { signs: await lookForLife(ports, signal) } : {};
    return { type: 'stopped', epoch, how, warnings, ...unproven, ...signs } satisfies StopOutcome &
      UnstampedEvent;
  } catch (error) {
    return { type: 'stop-failed', epoch, error: errorText(error) };
  }
}

/** The outcome of a stop whose end was not seen; a stop that still runs is waited for first. */
async function checkStop(
  ports: Ports,
  { epoch, proof }: EffectOf<'check-stop'>,
  signal: AbortSignal,
): Promise<UnstampedEvent> {
  try {
    const { clock, probing, stopper } = ports;
    await stopper?.rejoin?.(signal);
    const found = stopper?.gone(proof) ?? 'unknown';
    if (found === 'gone')
      return { type: 'stop-checked', epoch, outcome: found, signs: await lookForLife(ports, signal) };
    if (found !== 'unknown' || !stopper || !probing) return { type: 'stop-checked', epoch, outcome: found };
    // As after a stop whose end was seen.
    await untilProbeFails(clock, probing, signal);
    return { type: 'stop-checked', epoch, outcome: 'gone', warnings: [BY_PROBE] };
  } catch {
    return { type: 'stop-checked', epoch, outcome: 'unknown' };
  }
}

const BY_PROBE = 'nothing but its probe shows that the application is gone';

async function look(
  ports: Ports,
  { id, sources }: EffectOf<'look-for-life'>,
  signal: AbortSignal,
): Promise<UnstampedEvent> {
  const asked = ports.sources.filter(({ name }) => sources.includes(name));
  try {
    return { type: 'life', id, signs: await lookForLife({ ...ports, sources: asked }, signal) };
  } catch {
    // Only at our own end.
    return { type: 'life', id, signs: NO_SIGNS };
  }
}

/** A process that is proven to run, and may only be slow to answer, gets no second one beside it. */
async function start(
  { starter, stopper, identify, log }: Ports,
  { epoch }: EffectOf<'start'>,
  signal: AbortSignal,
): Promise<UnstampedEvent> {
  if (!starter)
    return { type: 'start-failed', epoch, error: 'no way to start the application is configured' };
  try {
    // A refusal means that the process is not there, or not proven.
    const running = await stopper?.check(signal).catch(() => null);
    if (running && 'pid' in running) {
      log.warn(`the application is not started: it runs already, as process ${running.pid}`);
      return { type: 'started', epoch, proof: running };
    }
    await starter.start(signal);
    return { type: 'started', epoch, proof: identify() };
  } catch (error) {
    return { type: 'start-failed', epoch, error: errorText(error) };
  }
}

function named({ balancers }: Ports, name: string): Balancer {
  const found = balancers.find((balancer) => balancer.name === name);
  if (!found) throw new LastcallError('failed', `no balancer is called ${name}`);
  return found;
}

function codeOf(error: unknown): Code {
  return isLastcallError(error) ? error.code : 'failed';
}
