import type { Clock } from '../../system/clock.ts';
import { httpGet, parseHttpUrl } from '../../system/http.ts';
import type { CheckExamined, HaproxyExamined } from '../examination.ts';
import type { HaproxyFile } from '../haproxy-file/file.ts';
import { backendOf, checkRequest, hasFlag, linesFor, serverSettings } from '../haproxy-file/settings.ts';
import { attempt, type Readout } from '../readout.ts';

/** The health check of HAProxy's file, sent once by us to the server itself: does its answer make a session? */

const CHECK_MS = 5_000;

/** @returns none without a file */
export async function readOwnChecks(
  file: Readout<HaproxyFile> | null,
  haproxies: readonly Pick<HaproxyExamined, 'servers'>[],
  ports: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly CheckExamined[]> {
  if (file === null || !file.ok) return [];
  const servers = haproxies.flatMap((one) => (one.servers.ok ? one.servers.value : []));
  const checks = servers.flatMap(({ name, address }) => checkOf(file.value, name, address) ?? []);
  const unique = new Map(checks.map((check) => [check.url, check]));
  return Promise.all([...unique.values()].map((check) => ask(check, ports)));
}

interface OwnCheck {
  readonly url: string;
  readonly method: string;
  readonly host: string | null;
}

/** One over TLS is left out: its certificate is judged by HAProxy's rules. */
function checkOf(file: HaproxyFile, name: string, address: string | null): OwnCheck | null {
  const [backend = '', server = ''] = name.split('/');
  const section = backendOf(file, backend);
  if (section === null || address === null) return null;
  const lines = linesFor(file, section);
  const settings = serverSettings(lines, server);
  const request = checkRequest(lines);
  const isPlain = settings !== null && hasFlag(settings, 'check') && !settings.words.includes('ssl');
  if (request === null || !isPlain || settings.words.includes('check-ssl')) return null;
  return { ...request, url: `http://${address}${request.uri}` };
}

async function ask(
  { url, method, host }: OwnCheck,
  ports: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<CheckExamined> {
  // A query may hold a secret.
  const shown = url.split('?', 1)[0] ?? '';
  const hasVariable = [url, host ?? ''].some((text) => text.includes('$'));
  if (method !== 'GET' || hasVariable) {
    const why = `HAProxy's check is ${method} ${shown}, which was not sent`;
    return { url: shown, setsCookie: { ok: false, why, code: 'failed' } };
  }
  const headers: Record<string, string> = host === null ? {} : { host };
  const setsCookie = await attempt(async () => {
    const answer = await httpGet(parseHttpUrl(url), CHECK_MS, ports, { headers });
    return answer.setsCookie;
  });
  return { url: shown, setsCookie };
}
