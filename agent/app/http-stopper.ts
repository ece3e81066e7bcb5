import type { HttpStopConfig } from '../config/config.ts';
import { withDeadline } from '../system/clock.ts';
import { isLastcallError, LastcallError, messageOf } from '../system/error.ts';
import { httpSend, parseHttpUrl, shownUrl } from '../system/http.ts';
import { reach } from '../system/tcp.ts';
import type { CommandPorts } from './app-command.ts';
import type { NamingPorts } from './named-process.ts';
import type { Stopper } from './contracts.ts';
import { watchedStopper } from './watched-stopper.ts';

/** How long the port may take to answer beforehand. */
const CONNECT_MS = 2_000;

/**
 * Stops the application by a POST, such as Spring's `/actuator/shutdown`; an answer of 200 to 299 is its success. An
 * application that ends before it has answered has done what it was asked for, where `gone` sees it end.
 * @throws LastcallError `config` when the URL is none
 */
export function createHttpStopper(config: HttpStopConfig, ports: CommandPorts & NamingPorts): Stopper {
  const { clock } = ports;
  const { headers, timeoutMs, gone } = config;
  const url = parseHttpUrl(config.url);
  const failure = (what: string, elapsedMs: number, next: string): LastcallError =>
    new LastcallError('app-stop', `the stop over HTTP ${what}`, { target: shownUrl(url), elapsedMs, next });
  return watchedStopper(
    {
      how: 'http',
      what: 'the stop over HTTP',
      timeoutMs,
      gone,
      // Only the application defines what a second POST does (I6).
      isIdempotent: false,
      async check(signal) {
        const late = (): LastcallError =>
          new LastcallError('failed', `no connection within ${CONNECT_MS} ms`);
        try {
          await withDeadline(clock, CONNECT_MS, signal, late, (own) => reach(...endpointOf(url), own));
        } catch (error) {
          signal.throwIfAborted();
          throw failure(`cannot run: ${messageOf(error)}`, 0, 'check app.stop.http.url');
        }
      },
      async act(_stop, signal) {
        const began = clock.now();
        const elapsed = (): number => clock.now() - began;
        try {
          const answer = await httpSend(url, timeoutMs, { clock, signal }, { method: 'POST', headers });
          if (answer.status >= 200 && answer.status <= 299) return null;
          throw failure(`was answered ${answer.status}`, elapsed(), 'see the log of the application');
        } catch (error) {
          if (!isLastcallError(error) || error.code !== 'failed') throw error;
          return failure(
            `has no answer: ${error.message}`,
            elapsed(),
            'see whether the application has ended',
          );
        }
      },
    },
    ports,
  );
}

function endpointOf({ hostname, port, protocol }: URL): [string, number] {
  const usual = protocol === 'https:' ? 443 : 80;
  return [hostname.replace(/^\[|\]$/g, ''), port === '' ? usual : Number(port)];
}
