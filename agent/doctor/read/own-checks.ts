import type { Clock } from '../../system/clock.ts';
import { httpGet, parseHttpUrl } from '../../system/http.ts';
import type { CheckExamined, HaproxyExamined } from '../examination.ts';
import type { HaproxyFile } from '../haproxy-file/file.ts';
import {
  backendOf,
  checkRequest,
  hasFlag,
  lastLine,
  linesFor,
  serverSettings,
} from '../haproxy-file/settings.ts';
import { attempt, NOT_ASKED, type Readout } from '../readout.ts';

/** The health check of HAProxy's file, sent once by us to the server itself: does its answer make a session? */

const CHECK_MS = 5_000;

/** @returns none without a file; of each server with an HTTP check what it got, or why it was not sent */
export async function readOwnChecks(
  file: Readout<HaproxyFile> | null,
  haproxies: readonly Pick<HaproxyExamined, 'servers'>[],
  ports: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly CheckExamined[]> {
  if (file === null || !file.ok) return [];
  const servers = haproxies.flatMap((one) => (one.servers.ok ? one.servers.value : []));
  const checks = servers.flatMap(({ name, checkAddress }) => checkOf(file.value, name, checkAddress) ?? []);
  const unique = new Map(checks.map((check) => [check.url, check]));
  return Promise.all(
    [...unique.values()].map((check) => ('method' in check ? ask(check, ports) : Promise.resolve(check))),
  );
}

interface OwnCheck {
  readonly url: string;
  readonly method: string;
  readonly host: string | null;
}

/** By these it goes elsewhere, or in another protocol, than a plain request to the server's address and port. */
const OTHER_WAYS = ['addr', 'ssl', 'check-ssl', 'check-proto', 'check-via-socks4'];

/** @returns what to send, or why it is not sent; null where this server has no HTTP check */
function checkOf(file: HaproxyFile, name: string, address: string | null): OwnCheck | CheckExamined | null {
  const [backend = '', server = ''] = name.split('/');
  const section = backendOf(file, backend);
  const lines = section === null ? [] : linesFor(file, section);
  const settings = serverSettings(lines, server);
  if (settings === null) return notSent(name, `${file.path} has no server ${name}`);
  const request = checkRequest(lines);
  if (request === null || !hasFlag(settings, 'check')) return null;
  const way =
    settings.words.find((word) => OTHER_WAYS.includes(word) || /^(check-)?send-proxy/.test(word)) ??
    (lastLine(lines, 'http-check', 'connect') === null ? null : 'http-check connect');
  if (way !== null) return notSent(name, `HAProxy's check of ${name} has \`${way}\`, and was not sent`);
  if (address === null) return notSent(name, `no address is shown for HAProxy's check of ${name}`);
  return { ...request, url: `http://${address}${request.uri}` };
}

function notSent(url: string, why: string): CheckExamined {
  return { url, setsCookie: { ok: false, why, code: NOT_ASKED } };
}

async function ask(
  { url, method, host }: OwnCheck,
  ports: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<CheckExamined> {
  // A query may hold a secret.
  const shown = url.split('?', 1)[0] ?? '';
  const hasVariable = [url, host ?? ''].some((text) => text.includes('$'));
  if (method !== 'GET' || hasVariable) {
    return notSent(shown, `HAProxy's check is ${method} ${shown}, which was not sent`);
  }
  const headers: Record<string, string> = host === null ? {} : { host };
  const setsCookie = await attempt(async () => {
    const answer = await httpGet(parseHttpUrl(url), CHECK_MS, ports, { headers });
    return answer.setsCookie;
  });
  return { url: shown, setsCookie };
}
