import type { TomcatSourceConfig } from '../config/source-config.ts';
import { withDeadline, type Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { flawOf, httpGet, parseHttpUrl, shownUrl, type HttpAnswer } from '../system/http.ts';
import { countOrThrow, excerpt, type CountProblem } from '../formats/parse-count.ts';
import { readSecret } from '../system/secret-file.ts';
import type { SourceTuning, Source } from './source.ts';
import { managersOf, readActive, readList, readManagers, type SessionManager } from './tomcat-parse.ts';

/** A Tomcat with a thousand applications lists them in less. */
const MAX_BODY_BYTES = 1024 * 1024;
/** Of Tomcat's background rounds, 10 s apart, every sixth looks for expired sessions; lowered, each one does. */
const FREQUENCY = 'processExpiresFrequency';
const LOWERED = '1';

interface TomcatPorts {
  readonly clock: Clock;
  /** Called once for a password file that others may read. */
  readonly onWarning: (text: string) => void;
}

/**
 * Asks Tomcat's manager for the sessions of one context: `text/list`, or the session manager's own number by
 * `jmxproxy`. Both still count a session that has expired until Tomcat has looked for it, which takes up to a minute
 * (measured on 10.1.60: 83 s at a timeout of 60 s); `lowerExpiry` shortens that to ten seconds while the node is out.
 * The password is read anew for each question, and is in no error.
 * @throws LastcallError `config` for a URL that is none
 */
export function createTomcatSource(config: TomcatSourceConfig, name: string, ports: TomcatPorts): Source {
  const ask = createManager(config, ports);
  const { context } = config;
  const count = async (signal: AbortSignal): Promise<number | CountProblem> => {
    if (config.via === 'list') return readList(await ask('text/list', signal), context);
    const managers = readManagers(await ask(queryOf(context), signal), context);
    return 'problem' in managers ? managers : readActive(managers);
  };
  const target = `${config.url} ${context}`;

  return {
    name,
    async count(signal) {
      const began = ports.clock.now();
      const counted = await count(signal);
      const elapsedMs = ports.clock.now() - began;
      return countOrThrow(counted, {
        target,
        elapsedMs,
        next: `see that ${context} is deployed and running there`,
      });
    },
    ...(config.lowerExpiry ? { tuning: createTuning(context, target, ask) } : {}),
  };
}

/** @returns the answer's text, of status 200 and whole */
type TomcatQuery = (path: string, signal: AbortSignal) => Promise<string>;

function createManager(config: TomcatSourceConfig, { clock, onWarning }: TomcatPorts): TomcatQuery {
  const base = parseHttpUrl(config.url).href.replace(/\/+$/, '');
  const { user, passwordFile, timeoutMs } = config;
  let warned = false;
  const authorization = async (): Promise<string> => {
    const { text, exposed } = await readSecret(passwordFile, 'password');
    if (exposed && !warned) onWarning(`every user of this machine may read or change ${passwordFile}`);
    warned ||= exposed;
    return credentials(user, text);
  };

  return async (path, signal) => {
    const url = new URL(`${base}/${path}`);
    const began = clock.now();
    const failed = (why: string, next: string): LastcallError =>
      new LastcallError('failed', `${shownUrl(url)}: ${why}`, {
        target: shownUrl(url),
        elapsedMs: clock.now() - began,
        next,
      });
    const late = (): LastcallError =>
      failed(`no whole answer within ${timeoutMs} ms`, 'check that Tomcat answers there');
    const answer = await withDeadline(clock, timeoutMs, signal, late, async (own) => {
      const options = {
        authorization: await authorization(),
        accept: 'text/plain',
        maxBodyBytes: MAX_BODY_BYTES,
      };
      return httpGet(url, timeoutMs, { clock, signal: own }, options);
    });
    const wrong = refusal(answer, user);
    if (wrong !== null) throw failed(...wrong);
    return answer.body;
  };
}

/**
 * Tomcat reads ISO 8859-1 unless its valve has `charset="UTF-8"` (tried on 10.1.60); a character outside of it
 * cannot be meant so.
 */
function credentials(user: string, password: string): string {
  const text = `${user}:${password}`;
  const isLatin = Buffer.from(text, 'latin1').toString('latin1') === text;
  return `Basic ${Buffer.from(text, isLatin ? 'latin1' : 'utf8').toString('base64')}`;
}

/** Why an answer is none, and what to do; null for a good one. */
function refusal(answer: HttpAnswer, user: string): readonly [why: string, next: string] | null {
  const { status, delimited } = answer;
  switch (status) {
    case 200: {
      const flaw = flawOf(answer, MAX_BODY_BYTES);
      if (flaw !== null)
        return [flaw, answer.truncated ? 'use via: list' : 'let no proxy in between pack it'];
      if (delimited) return null;
      return [
        'the answer has neither a Content-Length nor chunks, so whether it is whole is unknown',
        'look for a proxy between this node and Tomcat, which sends one of them',
      ];
    }
    case 401:
      // LockOutRealm, part of Tomcat's own server.xml: five failures lock the user out for 300 s.
      return [
        `status 401, ${excerpt(user)} or the password is refused`,
        'set both right; after five wrong tries Tomcat locks the user out for five minutes',
      ];
    case 403:
      return [
        `status 403, ${excerpt(user)} may not ask from here`,
        "give the user the role manager-script (manager-jmx for jmxproxy), and see the Valve in the manager's context.xml",
      ];
    case 404:
      return ['status 404, there is no manager', 'install it (Debian: tomcat10-admin), or set url right'];
    default:
      return [`status ${status} is no answer of the manager`, 'check that the URL is that of the manager'];
  }
}

function queryOf(context: string): string {
  return `jmxproxy/?qry=${encodeURIComponent(managersOf(context))}`;
}

function createTuning(context: string, target: string, ask: TomcatQuery): SourceTuning {
  const managers = async (signal: AbortSignal): Promise<readonly SessionManager[]> => {
    const read = readManagers(await ask(queryOf(context), signal), context);
    if ('problem' in read) throw refusedBy(target, read.problem);
    return read;
  };
  const set = async (manager: string, frequency: string, signal: AbortSignal): Promise<void> => {
    const query = `set=${encodeURIComponent(manager)}&att=${FREQUENCY}&val=${encodeURIComponent(frequency)}`;
    const answer = await ask(`jmxproxy/?${query}`, signal);
    if (!answer.startsWith('OK - '))
      throw refusedBy(target, `the manager answers ${excerpt(answer.split('\n')[0] ?? '')}`);
  };

  return {
    async apply(signal) {
      const found: Record<string, string> = {};
      for (const { name, attributes } of await managers(signal)) {
        const frequency = attributes.get(FREQUENCY) ?? LOWERED;
        if (frequency === LOWERED) continue;
        await set(name, LOWERED, signal);
        found[name] = frequency;
      }
      return JSON.stringify(found);
    },
    async restore(found, signal) {
      const before = JSON.parse(found) as Record<string, string>;
      // A value other than the one we set is an operator's, or a fresh Tomcat's own.
      for (const { name, attributes } of await managers(signal)) {
        const frequency = before[name];
        if (frequency !== undefined && attributes.get(FREQUENCY) === LOWERED)
          await set(name, frequency, signal);
      }
    },
  };
}

function refusedBy(target: string, why: string): LastcallError {
  return new LastcallError('failed', `${target}: ${why}`, {
    target,
    next: 'give the user the role manager-jmx, or take lowerExpiry away: the count is then up to a minute late',
  });
}
