import { proofIn } from '../../../agent/lifecycle/recovery/read-record.ts';
import { isDeepStrictEqual } from 'node:util';
import type { Proof } from '../../../agent/lifecycle/model/observation.ts';
import type { Survey } from '../../../agent/lifecycle/model/survey.ts';
import { peek } from './peek.ts';
import type { Requests } from './judge-requests.ts';
import type { SimNode, Taken, World } from './world.ts';

/** What an operation begins with: the survey that allows it (I11), and the process that it may stop (I13). */
export interface BeginJudge {
  watch(taken: Taken): void;
  crashed(node: SimNode): void;
}

const SURVEY = 'survey ';
const ROTATION = ['serving', 'unhealthy', 'returning'];

export function createBeginJudge({ verdicts }: World, requests: Requests): BeginJudge {
  /** By request and balancer: the last one counts, since a server that moved meanwhile is surveyed anew. */
  const surveys = new Map<string, ReadonlyMap<string, Survey>>();
  /** By the request that it was proven for. */
  const checked = new Map<string, Proof | null>();
  /**
   * By node: the callers of its operation, also those who have withdrawn. What was proven for one of these is
   * proven.
   */
  const askers = new Map<number, ReadonlySet<string>>();
  /** The process that was last reported to each node, in this life of its sidecar. */
  const own = new Map<number, Proof | null>();

  function learn({ node, event }: Taken): void {
    if (event.type === 'surveyed' && counts(node, event.balancer))
      surveys.set(event.id, new Map(surveys.get(event.id)).set(event.balancer, event.survey));
    // What an earlier survey saw of it is no ground to refuse or to begin.
    if (event.type === 'check-failed' && event.need.startsWith(SURVEY)) {
      const known = new Map(surveys.get(event.id));
      known.delete(event.need.slice(SURVEY.length));
      surveys.set(event.id, known);
    }
    if (event.type === 'command-checked' && event.need === 'stop') checked.set(event.id, event.proof);
    if (event.type === 'booted') own.set(node.index, event.proof ?? proofIn(event.record));
    if (event.type === 'started' || event.type === 'app-back') own.set(node.index, event.proof);
  }

  function remember({ node, after }: Taken): void {
    const { op } = peek(after);
    if (!op) return void askers.delete(node.index);
    const known = askers.get(node.index) ?? new Set();
    const ids = [op.id, ...op.tickets];
    if (ids.some((id) => !known.has(id))) askers.set(node.index, new Set([...known, ...ids]));
  }

  const counts = ({ policy }: SimNode, balancer: string): boolean =>
    policy.balancers.some((one) => one.name === balancer && one.counts);

  /** I11: the first word outward is meant, by an operation that was checked. */
  function guarded({ node, before, after }: Taken): void {
    const { op } = peek(after);
    const { keep, keepBackups, balancers } = node.policy;
    if (!op || peek(before).op || op.kind === 'ready' || after.phase !== 'draining') return;
    if (!ROTATION.includes(before.phase) || keep === 0 || requests.isExcused(op.id)) return;
    const facts = [...(surveys.get(op.id)?.values() ?? [])].flatMap((survey) => survey.facts);
    const servers = balancers.filter(({ counts }) => counts).flatMap((balancer) => balancer.servers);
    if (facts.length < servers.length && node.policy.unreachable === 'wait')
      verdicts.broken('begun over the guard', 'not every server was surveyed');
    const short = facts.find(({ usable, usableOthers, standbys }) => {
      const others = (usableOthers ?? -1) + (keepBackups ? standbys.length : 0);
      return usable && others < keep;
    });
    if (short) verdicts.broken('begun over the guard', short);
  }

  function stopping({ node, effects }: Taken): void {
    for (const effect of effects) {
      if (effect.type !== 'stop' || effect.proof === null) continue;
      const known = [...(askers.get(node.index) ?? [])].map((id) => checked.get(id));
      const isProven = [...known, own.get(node.index)].some((one) => isDeepStrictEqual(one, effect.proof));
      if (!isProven) verdicts.broken('stopped without a proof', effect.proof);
    }
  }

  return {
    watch(taken) {
      learn(taken);
      remember(taken);
      guarded(taken);
      stopping(taken);
    },
    crashed: ({ index }) => void own.delete(index),
  };
}
