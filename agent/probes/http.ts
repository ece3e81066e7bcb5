import type { HttpProbeConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { messageOf } from '../system/error.ts';
import { httpGet, MAX_BODY_BYTES, parseHttpUrl, shownUrl, type HttpAnswer } from '../system/http.ts';
import { quoted } from '../system/printable.ts';
import type { Probe, ProbeAnswer } from './probe.ts';

/**
 * Asks the application over HTTP. Signed out: a status of `signOut.status`, or `signOut.body` within the first 64
 * KiB of any answer but a redirect. Healthy: a status of `healthy`. All else is unhealthy, a redirect too: it is
 * not followed, since a login page shows nothing about the application. So is a packed body in which `signOut.body`
 * is to be looked for: it is not unpacked.
 * @param onWarning called once when the answer sets a cookie
 * @throws LastcallError `config` for an invalid URL
 */
export function createHttpProbe(
  config: HttpProbeConfig,
  timeoutMs: number,
  { clock, onWarning }: { clock: Clock; onWarning: (text: string) => void },
): Probe {
  const url = parseHttpUrl(config.url);
  let warned = false;

  const warnOfCookie = (answer: HttpAnswer): void => {
    if (warned || !answer.setsCookie) return;
    warned = true;
    // Ten probes of a JSP without `session="false"` made ten sessions in Tomcat: never zero.
    onWarning(
      `${shownUrl(url)} answers the probe with Set-Cookie: each probe may make a session, and a drain then never ` +
        'ends; probe a page that makes no session',
    );
  };

  return {
    async ask(signal) {
      try {
        const answer = await httpGet(url, timeoutMs, { clock, signal }, { headers: config.headers });
        warnOfCookie(answer);
        return read(answer, config);
      } catch (error) {
        signal.throwIfAborted();
        return { kind: 'unhealthy', reason: messageOf(error) };
      }
    },
  };
}

function read(answer: HttpAnswer, { healthy, signOut }: HttpProbeConfig): ProbeAnswer {
  const { status, body, truncated, packed } = answer;
  const isRedirect = status >= 300 && status < 400;
  const saysOut = signOut.body !== null && !isRedirect && body.includes(signOut.body);
  if (signOut.status.includes(status) || saysOut) return { kind: 'signed-out' };
  if (signOut.body !== null && packed !== null && !isRedirect) {
    return {
      kind: 'unhealthy',
      reason: `the body is packed (${quoted(packed)}), although it was asked for as it is`,
    };
  }
  if (healthy.includes(status)) return { kind: 'healthy' };
  if (isRedirect) return { kind: 'unhealthy', reason: `status ${status}, a redirect, which is not followed` };
  const cut = truncated ? ` (of the body only ${MAX_BODY_BYTES} bytes were read)` : '';
  return { kind: 'unhealthy', reason: `status ${status}${cut}` };
}
