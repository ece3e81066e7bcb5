import { connect } from 'node:net';
import { askHttp } from './ask-http.ts';

/** A load balancer's use of a node: it gets all users, only those it has, or none. */
export type MonitorVerdict = 'up' | 'disabled' | 'down';

/** A load balancer's monitor: each call is one health check. */
export type Monitor = () => Promise<MonitorVerdict>;

export interface F5Settings {
  /** The request as it goes out. */
  readonly send: string;
  readonly recv: string;
  readonly recvDisable: string;
  /** In seconds. */
  readonly interval: number;
  readonly timeout: number;
}

/** What F5's daemon adds to a Send String (bug 1026781), whether that has an end of its own or not. */
const APPENDED = '\r\n\r\n';

/**
 * A BIG-IP's HTTP monitor, as F5 documents it: both strings are regular expressions, looked for in the whole response
 * and without regard to case. The Receive String comes first; a match of either counts at once. No match is only
 * believed when `timeout` seconds have passed since the last one, which may be before the next check.
 */
export function f5Monitor(port: number, settings: F5Settings): Monitor {
  const { send, interval, timeout } = settings;
  const [recv, recvDisable] = [new RegExp(settings.recv, 'i'), new RegExp(settings.recvDisable, 'i')];
  let verdict: MonitorVerdict = 'down';
  let silentFor = timeout;
  return async () => {
    const response = await exchange(port, send + APPENDED);
    const match = recv.test(response) ? 'up' : recvDisable.test(response) ? 'disabled' : null;
    silentFor = match === null ? silentFor + interval : 0;
    verdict = match ?? (silentFor + interval > timeout ? 'down' : verdict);
    return verdict;
  };
}

/** The whole answer until the other side hangs up; nothing where no process listens. */
function exchange(port: number, request: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let response = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (response += chunk));
    socket.on('error', () => socket.destroy());
    socket.once('close', () => resolve(response));
    socket.write(request);
  });
}

export interface TwoStateSettings {
  /** The status of a healthy answer. */
  readonly status: number;
  /** What its body matches; default anything. */
  readonly body?: RegExp;
  /** So many checks in a row make it unhealthy, and healthy. */
  readonly fails: number;
  readonly passes: number;
  /** Where it asks from; default 127.0.0.1. */
  readonly from?: string;
}

/** NGINX Plus' `health_check`, and what the clouds have: healthy or not, and who is not gets no request at all. */
export function twoStateMonitor(port: number, settings: TwoStateSettings): Monitor {
  const { status, body = /(?:)/, fails, passes, from = '127.0.0.1' } = settings;
  let verdict: MonitorVerdict = 'up';
  let against = 0;
  return async () => {
    const answer = await askHttp(port, { from }).catch(() => null);
    const good = answer !== null && answer.status === status && body.test(answer.body);
    against = good === (verdict === 'up') ? 0 : against + 1;
    if (against >= (verdict === 'up' ? fails : passes)) {
      verdict = good ? 'up' : 'down';
      against = 0;
    }
    return verdict;
  };
}
