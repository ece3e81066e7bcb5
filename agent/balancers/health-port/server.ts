import type { HealthListenConfig } from '../../config/config.ts';
import { parseSendState, type SendState } from '../../haproxy/send-state.ts';
import { sleep, type Clock } from '../../system/clock.ts';
import { createHttpListener, type HttpAsked, type HttpListener } from '../../system/http-listener.ts';
import type { ListenSockets } from '../../system/listen-sockets.ts';
import type { Log } from '../../system/log-port.ts';
import { defaultAnswer, type NodeState, type HealthAnswer } from './answer.ts';

/** HAProxy's default interval and timeout of a check: right after our start the answer may come late, but comes. */
const HOLD_MS = 2_000;
const HOLD_EVERY_MS = 25;

/** One question of a monitor. */
export interface HealthPoll {
  readonly address: string;
  /** HAProxy's report of the server, where it sends one (`http-check send-state`). */
  readonly state: SendState | null;
}

/** The monitors for which the health port is the writer of one server's state. */
export interface HealthSubscription {
  readonly covers: (address: string) => boolean;
  /** The present answer to this monitor; null while it is unknown. */
  answer(poll: HealthPoll): HealthAnswer | null;
  /** The answer is on its way. */
  answered(poll: HealthPoll, given: HealthAnswer): void;
}

/** The HTTP responder of `listen.health`; a monitor without a subscription gets UP or DOWN, and no sign-out. */
export interface HealthServer extends HttpListener {
  add(subscription: HealthSubscription): void;
  /** Answers so far. */
  readonly answers: ReadonlyMap<HealthAnswer, number>;
}

export interface HealthServerPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly node: () => NodeState;
  /** As for any `HttpListener`. */
  readonly sockets?: ListenSockets;
}

/** @throws LastcallError `config` for an entry of `allow` that is no address */
export function createHealthServer(config: HealthListenConfig, ports: HealthServerPorts): HealthServer {
  const { clock, log } = ports;
  const subscriptions: HealthSubscription[] = [];
  const answers = new Map<HealthAnswer, number>([
    ['up', 0],
    ['drain', 0],
    ['down', 0],
  ]);

  const answer = async ({ address, headers, signal }: HttpAsked) => {
    const poll: HealthPoll = { address, state: stateIn(headers['x-haproxy-server-state']) };
    const matching = subscriptions.filter((subscription) => subscription.covers(address));
    const given = await held(clock, signal, () => mildestAnswer(poll, matching, ports.node()));
    if (given === null) return null;
    const sent = (): void => {
      answers.set(given, (answers.get(given) ?? 0) + 1);
      for (const subscription of matching) subscription.answered(poll, given);
    };
    return { ...config.answers[given], type: 'text/plain', sent };
  };

  const { host, port, allow } = config;
  const failed = (error: unknown): void => log.error('a health poll could not be answered', { error });
  const { sockets } = ports;
  const listener = createHttpListener(
    { host, port, allow, key: 'listen.health' },
    { clock, failed, ...(sockets ? { sockets } : {}) },
    answer,
  );
  return { ...listener, add: (subscription) => void subscriptions.push(subscription), answers };
}

function stateIn(header: string | string[] | undefined): SendState | null {
  return typeof header === 'string' ? parseSendState(header) : null;
}

const MILDEST: readonly HealthAnswer[] = ['up', 'drain', 'down'];

/** Where the subscriptions that this address may belong to differ, the mildest answer cuts no user. */
function mildestAnswer(
  poll: HealthPoll,
  matching: readonly HealthSubscription[],
  node: NodeState,
): HealthAnswer | null {
  if (matching.length === 0) return defaultAnswer(node);
  const all = matching.map((subscription) => subscription.answer(poll));
  return all.includes(null) ? null : (MILDEST.find((one) => all.includes(one)) ?? null);
}

/**
 * Retries until there is an answer. A monitor counts no answer as one failed check, which is less harm than a wrong
 * answer.
 */
async function held(
  clock: Clock,
  signal: AbortSignal,
  ask: () => HealthAnswer | null,
): Promise<HealthAnswer | null> {
  const end = clock.now() + HOLD_MS;
  for (;;) {
    const one = ask();
    if (one !== null || signal.aborted || clock.now() >= end) return one;
    await sleep(clock, HOLD_EVERY_MS, signal).catch(() => undefined); // The monitor hung up: the next round sees it.
  }
}
