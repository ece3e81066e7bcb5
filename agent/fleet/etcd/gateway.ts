import { withDeadline, type Clock } from '../../system/clock.ts';
import { isLastcallError, LastcallError, messageOf } from '../../system/error.ts';
import { flawOf, httpSend, type HttpAnswer } from '../../system/http.ts';
import { createClusterCheck } from './one-cluster.ts';
import { excerptOf, fieldsOf, int64Of, parsed, textOf } from './gateway-json.ts';

/** A request that an endpoint has not answered by then goes to the next one. */
const REQUEST_TIMEOUT_MS = 3_000;
/** A claim has less than a kilobyte: more than a thousand nodes. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** gRPC's code for what does not exist; etcd gives it for a lease alone (etcdserver/api/v3rpc/rpctypes/error.go). */
const NOT_FOUND = 5;

/** The methods of etcd's v3 API, below `/v3/` in etcd 3.4 and newer (etcd's documentation, "gRPC gateway"). */
export type GatewayMethod = 'kv/range' | 'kv/txn' | 'lease/grant' | 'lease/keepalive' | 'lease/revoke';

/** An answer, and where in the history of which cluster it was made. */
export interface GatewayAnswer {
  readonly body: Readonly<Record<string, unknown>>;
  readonly cluster: string;
  readonly revision: bigint;
}

/** etcd's answer that a lease does not exist (any more). Not a failure of the gateway. */
export const LEASE_GONE = 'lease-gone';

/** The etcd of a lock: one cluster, at any of its endpoints. */
export interface Gateway {
  /** For people: `etcd http://10.0.0.9:2379`. */
  readonly name: string;
  /**
   * One request, at the endpoint that answered last, else at the others in turn. A request that failed at one may have
   * been done all the same before another is asked, so it must be one that may be repeated.
   * @throws LastcallError `locked` when no endpoint answers, or they belong to two clusters; the signal's reason when aborted
   */
  call(method: GatewayMethod, body: object, signal: AbortSignal): Promise<GatewayAnswer | typeof LEASE_GONE>;
}

/** @param endpoints checked http or https URLs, without path, user or password */
export function createGateway(endpoints: readonly string[], clock: Clock): Gateway {
  const name = `etcd ${endpoints.join(', ')}`;
  let first = 0;
  const clusters = createClusterCheck(endpoints, async (endpoint, signal) => {
    const answer = await ask(endpoint, 'kv/range', NO_KEY, { clock, signal });
    if (answer === LEASE_GONE) throw unusable(new URL(endpoint), 'it says that a range has no lease');
    return answer.cluster;
  });

  const askInTurn = async (method: GatewayMethod, body: object, signal: AbortSignal): Promise<AnswerOf> => {
    const began = clock.now();
    const reasons: string[] = [];
    const from = first;
    for (let step = 0; step < endpoints.length; step += 1) {
      const place = (from + step) % endpoints.length;
      const endpoint = endpoints[place] ?? '';
      try {
        const answer = await ask(endpoint, method, body, { clock, signal });
        first = place;
        return { endpoint, answer };
      } catch (error) {
        if (signal.aborted || !isLastcallError(error)) throw error;
        reasons.push(messageOf(error));
      }
    }
    throw lockedBy(name, reasons.join('; '), clock.now() - began, `see that etcd runs and answers: ${CURL}`);
  };

  return {
    name,
    async call(method, body, signal) {
      const { endpoint, answer } = await askInTurn(method, body, signal);
      if (answer === LEASE_GONE) return answer;
      const began = clock.now();
      const two = await clusters.note(endpoint, answer.cluster, signal);
      if (two === null) return answer;
      const reason = `${two.join(' and ')} are two clusters, each with a lock of its own`;
      const next = 'name the endpoints of one cluster at lock.etcd.endpoints';
      throw lockedBy(name, reason, clock.now() - began, next);
    },
  };
}

interface AnswerOf {
  readonly endpoint: string;
  readonly answer: GatewayAnswer | typeof LEASE_GONE;
}

/** What any endpoint answers without a right to any key. */
const CURL = 'curl ENDPOINT/v3/maintenance/status -d "{}"';

/** A range over a key that never exists. */
const NO_KEY = { key: 'AA==', keys_only: true };

/** The error of a lock without a usable answer. */
export function lockedBy(name: string, reason: string, elapsedMs: number, next: string): LastcallError {
  return new LastcallError('locked', `${name}: ${reason}`, { target: name, elapsedMs, next });
}

async function ask(
  endpoint: string,
  method: GatewayMethod,
  json: object,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<GatewayAnswer | typeof LEASE_GONE> {
  const url = new URL(`/v3/${method}`, endpoint);
  const options = { json, maxBodyBytes: MAX_BODY_BYTES };
  const answer = await httpSend(url, REQUEST_TIMEOUT_MS, { clock, signal }, options).catch(
    (error: unknown) => {
      throw signal.aborted ? error : withHint(url, error);
    },
  );
  const body = bodyOf(url, answer);
  // `error` was given up with the second version of the gateway, in etcd 3.6.
  if (answer.status === 404 && body['code'] === NOT_FOUND) return LEASE_GONE;
  if (answer.status !== 200) {
    const why = body['message'] ?? body['error'] ?? answer.body;
    throw unusable(url, `${excerptOf(why)}${asksForUser(why) ? NO_USERS : ''}`);
  }
  // An answer that is a stream has it one level below.
  const result = fieldsOf(body['result']) ?? body;
  const header = fieldsOf(result['header']) ?? {};
  const [cluster, revision] = [textOf(header['cluster_id']), int64Of(header['revision'])];
  if (cluster === null || revision === null)
    throw unusable(url, `not the answer of etcd's v3 API: ${excerptOf(answer.body)}`);
  return { body: result, cluster, revision };
}

function bodyOf(url: URL, answer: HttpAnswer): Readonly<Record<string, unknown>> {
  const flaw = flawOf(answer, MAX_BODY_BYTES);
  if (flaw !== null) throw unusable(url, flaw);
  const body = fieldsOf(parsed(answer.body));
  if (body !== null) return body;
  const why = `status ${answer.status}, and no JSON object: ${excerptOf(answer.body)}`;
  throw unusable(url, `${why}${asksForUser(answer.body) ? NO_USERS : ''}`);
}

/** What helps where TLS fails, by OpenSSL's and Node's words for it. */
const TLS_HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /alert (?:\w+ )?certificate/,
    ': it asks for a client certificate, which an HAProxy in front of it has to send (deploy/etcd.md)',
  ],
  [
    /self.signed certificate|unable to (?:verify|get)/,
    ': the certificate of its authority has to be named by NODE_EXTRA_CA_CERTS (deploy/etcd.md)',
  ],
];

function withHint(url: URL, error: unknown): unknown {
  const hint = TLS_HINTS.find(([words]) => words.test(messageOf(error)))?.[1];
  if (hint === undefined) return error;
  return new LastcallError('failed', `${messageOf(error)}${hint}`, { target: url.origin });
}

/** etcd's own words where its users and roles are in force (etcdserver/api/v3rpc/rpctypes/error.go). */
function asksForUser(why: unknown): boolean {
  return (
    typeof why === 'string' &&
    /user name is empty|permission denied|invalid auth token|CommonName of client/.test(why)
  );
}
const NO_USERS =
  ", and etcd's users and roles are not supported: `etcdctl auth disable`, or client certificates";

function unusable(url: URL, reason: string): LastcallError {
  return new LastcallError('failed', `${url.origin}: ${reason}`, { target: url.origin });
}

/** Milliseconds within which all methods of the lock end: three endpoints that hang, and some more. */
export const LOCK_TIMEOUT_MS = 10_000;

/** Runs `work` within LOCK_TIMEOUT_MS. @throws LastcallError `locked` when that is over */
export function withinLockTimeout<T>(
  name: string,
  clock: Clock,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = (): LastcallError =>
    lockedBy(
      name,
      `no answer within ${LOCK_TIMEOUT_MS} ms`,
      LOCK_TIMEOUT_MS,
      `see that etcd is well: ${CURL}`,
    );
  return withDeadline(clock, LOCK_TIMEOUT_MS, signal, late, work);
}
