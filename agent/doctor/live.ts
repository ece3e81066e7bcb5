import type { LiveProof } from './diagnosis.ts';
import type { ServerExamined } from './examination.ts';

/**
 * What two answers in a trial drain prove: the cookie of HAProxy names the server that gave them. The cookie of another backend
 * may have the same name and words, so what HAProxy counted has to agree.
 */

/** An answer at the frontend: the parts that the trial judges. */
export interface LiveAnswer {
  readonly status: number;
  readonly setCookies: readonly string[];
  /** A server of this node was given a request meanwhile: this one, or another user's. */
  readonly reachedNode: boolean;
  /** The same of a backend of this node, whatever server took it. */
  readonly reachedBackend: boolean;
}

export type LiveCookie = NonNullable<ServerExamined['cookie']>;

/** HAProxy's cookie in an answer, and the server's word in it; null = it sets none. */
export function cookieIn(
  { setCookies }: Pick<LiveAnswer, 'setCookies'>,
  own: readonly LiveCookie[],
): LiveCookie | null {
  for (const { name, value } of setCookies.map(parsed)) {
    // `prefix` puts the server before a tilde, `maxidle` a date behind a bar.
    if (own.some((one) => one.name === name)) return { name, value: value.split(/[~|]/, 1)[0] ?? '' };
  }
  return null;
}

/** The cookies that the application sets, by their names; under `cookie ... prefix` its value stands behind HAProxy's tilde. */
function cookiesOfApp({ setCookies }: LiveAnswer, own: readonly LiveCookie[]): string[] {
  const all = setCookies.map(parsed).filter(({ name }) => name !== '');
  return all
    .filter(({ name, value }) => value.includes('~') || own.every((one) => one.name !== name))
    .map(({ name }) => name);
}

function parsed(text: string): LiveCookie {
  const [, name = '', value = ''] = /^\s*([^=\s]+)=([^;]*)/.exec(text) ?? [];
  return { name, value };
}

/** Judges a request without a cookie: HAProxy has to send it to another node. */
export function judgeNewUser(answer: LiveAnswer, own: readonly LiveCookie[]): LiveProof {
  const set = cookieIn(answer, own);
  if (set === null) {
    const names = own.map(({ name }) => name).join(', ');
    return unproven(
      `the answer to a new user (status ${answer.status}) sets no cookie ${names}: the URL may lead elsewhere`,
    );
  }
  if (!answer.reachedBackend) return elsewhere('a new user', shown(set));
  if (isOwn(set, own) && !answer.reachedNode) return elsewhere('a new user', shown(set));
  if (isOwn(set, own))
    return { result: 'refuted', seen: [`a new user was led to this node (${shown(set)})`] };
  return judgeStatus(answer, `a new user was led to another node (${shown(set)}, status ${answer.status})`);
}

/** Judges a request with the cookie of this node: it has to stay. */
export function judgeOldUser(answer: LiveAnswer, own: readonly LiveCookie[], sent: LiveCookie): LiveProof {
  const set = cookieIn(answer, own);
  if (!answer.reachedBackend) return elsewhere(`a user with ${shown(sent)}`, `status ${answer.status}`);
  if (set !== null && !isOwn(set, own))
    return {
      result: 'refuted',
      seen: [`a user with ${shown(sent)} was moved to another node (${shown(set)})`],
    };
  if (!answer.reachedNode) return elsewhere(`a user with ${shown(sent)}`, `status ${answer.status}`);
  const { result, seen } = judgeStatus(answer, `a user with ${shown(sent)} stayed (status ${answer.status})`);
  const made = cookiesOfApp(answer, own).join(', ');
  const session = `the application made a session by it (${made}); it counts until it expires`;
  return { result, seen: made === '' ? seen : [...seen, session] };
}

function elsewhere(who: string, answer: string): LiveProof {
  return unproven(
    `${who} was answered (${answer}), and HAProxy counted no request at this node: the URL may lead elsewhere`,
  );
}

/** The verdict over both answers and over the state afterwards. */
export function summedUp(proofs: readonly LiveProof[]): LiveProof {
  const results = proofs.map(({ result }) => result);
  const result =
    results.find((one) => one === 'refuted') ?? results.find((one) => one === 'unproven') ?? 'proven';
  return { result, seen: proofs.flatMap(({ seen }) => seen) };
}

export function unproven(why: string): LiveProof {
  return { result: 'unproven', seen: [why] };
}

function judgeStatus({ status }: LiveAnswer, seen: string): LiveProof {
  return { result: status >= 500 ? 'refuted' : 'proven', seen: [seen] };
}

function isOwn(cookie: LiveCookie, own: readonly LiveCookie[]): boolean {
  return own.some(({ name, value }) => name === cookie.name && value === cookie.value);
}

function shown({ name, value }: LiveCookie): string {
  return `${name}=${value}`;
}
