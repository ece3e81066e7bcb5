import { median, round, worst, type Figure, type Peer, type Row } from '../figures.ts';
import { missingOf, PEERS, REFERENCE, SIGTERM, type PeerProgram } from '../peers/peers.ts';
import {
  IDLE_MS,
  LASTCALL,
  peerWay,
  playRound,
  type RestartWay,
  type RoundResult,
  type Rounds,
  type RoundUsers,
  SLEEP_SECONDS,
} from './round.ts';

/**
 * A page takes 100 ms: so 200 ms from one request to the next one, and two seconds. Fewer of the former, since two cores have to
 * carry all ways at once. As at a real site a visit takes far longer than a restart.
 */
const VISIT_MS = 20_000;
const CROWDS: readonly Omit<RoundUsers, 'seed'>[] = [
  { name: 'dense users', population: 20, thinkMs: 100, visitMs: VISIT_MS },
  { name: 'thinking users', population: 40, thinkMs: 1900, visitMs: VISIT_MS },
];
/** Give or take half of it. */
const VISITS = `${(VISIT_MS * 0.5) / 1000} to ${(VISIT_MS * 1.5) / 1000} s`;
/** Times the reference's seconds. */
const SECONDS_LIMIT = 1.1;

/** What the rounds of one kind of users cost, by the name of the way. */
export type Results = ReadonlyMap<string, readonly RoundResult[]>;

/** A peer, and what of it is not here; null where it runs. */
export interface ComparedPeer {
  readonly peer: PeerProgram;
  readonly missing: string | null;
}

/**
 * The rolling restart of three sticky nodes by each peer and by lastcall, with each kind of users: in each run all of them at the
 * same time, each at a site of its own, so that a busy moment of the machine meets all, and a run takes a minute and a half.
 */
export async function rolling({ signal, runs }: Rounds): Promise<Row[]> {
  const candidates = [...PEERS, REFERENCE].map((peer) => ({ peer, missing: missingOf(peer.needs) }));
  const present = candidates.filter(({ missing }) => missing === null);
  const ways = [...present.map(({ peer }) => peerWay(peer)), LASTCALL];
  const rounds: PlayedRound[] = [];
  for (let run = 1; run <= runs; run++) {
    const crowds = CROWDS.map((crowd) => ({ ...crowd, seed: run }));
    rounds.push(...(await playTogether(ways, crowds, signal)));
  }
  return CROWDS.flatMap(({ name: crowd }) => {
    const resultsOf = (way: string): RoundResult[] =>
      rounds.filter((one) => one.crowd === crowd && one.way === way).map(({ result }) => result);
    return rowsOf(crowd, candidates, new Map(ways.map(({ name }) => [name, resultsOf(name)])));
  });
}

/** What one way cost one kind of users. */
interface PlayedRound {
  readonly way: string;
  readonly crowd: string;
  readonly result: RoundResult;
}

/** One round of each way with each kind of users. The first that throws ends all of them. */
async function playTogether(
  ways: readonly RestartWay[],
  crowds: readonly RoundUsers[],
  signal: AbortSignal,
): Promise<PlayedRound[]> {
  const over = new AbortController();
  const play = async (way: RestartWay, crowd: RoundUsers): Promise<PlayedRound> => {
    try {
      const result = await playRound(way, crowd, AbortSignal.any([signal, over.signal]));
      return { way: way.name, crowd: crowd.name, result };
    } catch (error) {
      over.abort(error);
      throw error;
    }
  };
  const playing = ways.flatMap((way) => crowds.map((crowd) => play(way, crowd)));
  await Promise.allSettled(playing);
  // Its reason: the others only say that they were aborted.
  over.signal.throwIfAborted();
  return Promise.all(playing);
}

/**
 * The table's lines for one kind of users.
 * @throws Error where lastcall was not measured, or a plain restart lost no session either: then there was none to lose
 */
export function rowsOf(crowd: string, candidates: readonly ComparedPeer[], results: Results): Row[] {
  const ours = results.get(LASTCALL.name) ?? [];
  const plain = results.get(SIGTERM.name);
  if (plain !== undefined && worst(plain.map(({ lost }) => lost)) === 0)
    throw new Error(`${crowd}: ${SIGTERM.name} lost no session, so this site shows no loss`);
  return [
    failedRow(crowd, candidates, results, ours),
    ...candidates.map((candidate) => lostRow(crowd, candidate, results, ours)),
    secondsRow(crowd, candidates, results, ours),
  ];
}

function failedRow(
  crowd: string,
  candidates: readonly ComparedPeer[],
  results: Results,
  ours: readonly RoundResult[],
): Figure {
  const failed = ours.map((round_) => round_.failed);
  const [failure] = ours.flatMap(({ failures }) => failures);
  return {
    name: `rolling restart, ${crowd}: failed requests`,
    value: worst(failed),
    unit: 'failed',
    limit: 0,
    exact: true,
    samples: failed,
    others: candidates.flatMap(({ peer }) => failedBy(peer.name, results)),
    how: `the worst of ${ours.length} rounds by lastcall, ${requestsOf(ours)} requests in all${failure === undefined ? '' : `: ${failure}`}`,
  };
}

/** What a peer failed, beside lastcall; none where it is not here. */
function failedBy(name: string, results: Results): Peer[] {
  const samples = (results.get(name) ?? []).map((round_) => round_.failed);
  return samples.length === 0 ? [] : [{ name, value: median(samples), samples }];
}

function requestsOf(rounds: readonly RoundResult[]): number {
  return rounds.reduce((sum, { requests }) => sum + requests, 0);
}

function lostRow(
  crowd: string,
  { peer, missing }: ComparedPeer,
  results: Results,
  ours: readonly RoundResult[],
): Row {
  const title = `rolling restart, ${crowd}: lost sessions, beside ${peer.name}`;
  if (missing !== null) return { name: title, missing };
  const theirs = results.get(peer.name) ?? [];
  const [lost = [], peerLost = []] = [ours, theirs].map((rounds) => rounds.map((round_) => round_.lost));
  const failed = median(theirs.map((round_) => round_.failed));
  const seconds = median(theirs.map((round_) => round_.seconds));
  const pauseMs = worst([...ours, ...theirs].map(({ longestPauseMs }) => longestPauseMs));
  const pause = `the longest pause of a user ${round(pauseMs / 1000)} s`;
  const expiry = `an unused session ends after ${IDLE_MS / 1000} s`;
  return {
    name: title,
    value: worst(lost),
    unit: 'lost',
    limit: 0,
    exact: true,
    samples: lost,
    peer: { name: peer.name, value: median(peerLost), samples: peerLost },
    how:
      `visits of ${VISITS}, a peer that sleeps does so for ${SLEEP_SECONDS} s; the worst of ${ours.length} rounds by lastcall; ` +
      `${peer.name}: median of ${theirs.length}, besides ${round(failed)} failed requests, in ${round(seconds)} s; ${pause}`,
    ...(pauseMs < IDLE_MS ? {} : { machine: `it stood still: ${pause}, and ${expiry}` }),
  };
}

function secondsRow(
  crowd: string,
  candidates: readonly ComparedPeer[],
  results: Results,
  ours: readonly RoundResult[],
): Row {
  const title = `rolling restart, ${crowd}: seconds`;
  const missing = candidates.find(({ peer }) => peer.name === REFERENCE.name)?.missing ?? null;
  if (missing !== null) return { name: title, missing };
  const [seconds = [], reference = []] = [ours, results.get(REFERENCE.name) ?? []].map((rounds) =>
    rounds.map((round_) => round_.seconds),
  );
  return {
    kind: 'ratio',
    name: title,
    value: median(seconds),
    unit: 's',
    limit: SECONDS_LIMIT,
    samples: seconds,
    peer: { name: REFERENCE.name, value: median(reference), samples: reference },
    how: `medians of ${ours.length} rounds, lastcall with its defaults (quiet 1 s)`,
  };
}
