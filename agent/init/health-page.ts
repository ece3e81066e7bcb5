import type { Endpoint } from '../haproxy/server-keys.ts';
import type { Clock } from '../system/clock.ts';
import { httpGet, type HttpAnswer } from '../system/http.ts';
import { endpointText } from './application.ts';

/** The usual paths of health pages, and last the page that every site has. */
const PATHS = ['/health', '/healthz', '/actuator/health', '/'];
/** For one page, in milliseconds. */
const PAGE_MS = 1_000;

/**
 * A page of the application that a probe can ask for: it answers 200, and makes no session. Each usual path is asked for
 * once, until the application does not answer at all.
 * @param endpoint where it listens on this machine; undefined = not here, and nothing is asked
 * @returns its URL; null = there is none
 * @throws the signal's reason
 */
export async function findHealthPage(
  endpoint: Endpoint | undefined,
  ports: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<string | null> {
  if (endpoint === undefined || endpoint.port === 0) return null;
  for (const path of PATHS) {
    const url = new URL(path, `http://${endpointText(endpoint)}`);
    const answer = await httpGet(url, PAGE_MS, ports).catch((): HttpAnswer | null => null);
    ports.signal.throwIfAborted();
    // The application speaks no HTTP, or hangs: each further page would take as long.
    if (answer === null) return null;
    if (answer.status === 200 && !answer.setsCookie) return url.href;
  }
  return null;
}
