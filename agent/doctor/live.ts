import type { LiveProof } from './diagnosis.ts';
import type { ServerExamined } from './examination.ts';

/** What two answers in a trial drain prove: the cookie of HAProxy names the server that gave them. */

/** An answer at the frontend, as far as it matters. */
export interface LiveAnswer {
  readonly status: number;
  readonly setCookies: readonly string[];
}

export type LiveCookie = NonNullable<ServerExamined['cookie']>;

/** HAProxy's cookie in an answer, and the server's word in it; null = it sets none. */
export function cookieIn({ setCookies }: LiveAnswer, own: readonly LiveCookie[]): LiveCookie | null {
  for (const text of setCookies) {
    const [, name = '', value = ''] = /^\s*([^=\s]+)=([^;]*)/.exec(text) ?? [];
    // `prefix` puts the server before a tilde, `maxidle` a date behind a bar.
    if (own.some((one) => one.name === name)) return { name, value: value.split(/[~|]/, 1)[0] ?? '' };
  }
  return null;
}

/** A request that carries no cookie: it has to be led elsewhere. */
export function judgeNewUser(answer: LiveAnswer, own: readonly LiveCookie[]): LiveProof {
  const set = cookieIn(answer, own);
  if (set === null) {
    const names = own.map(({ name }) => name).join(', ');
    return unproven(
      `the answer to a new user (status ${answer.status}) sets no cookie ${names}: the URL may lead elsewhere`,
    );
  }
  if (isOwn(set, own))
    return { result: 'refuted', seen: [`a new user was led to this node (${shown(set)})`] };
  return judgeStatus(answer, `a new user was led to another node (${shown(set)}, status ${answer.status})`);
}

/** A request with the cookie of this node: it has to stay. */
export function judgeOldUser(answer: LiveAnswer, own: readonly LiveCookie[], sent: LiveCookie): LiveProof {
  const set = cookieIn(answer, own);
  if (set !== null && !isOwn(set, own))
    return {
      result: 'refuted',
      seen: [`a user with ${shown(sent)} was moved to another node (${shown(set)})`],
    };
  return judgeStatus(answer, `a user with ${shown(sent)} stayed (status ${answer.status})`);
}

/** Both, and what became of the state. */
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
