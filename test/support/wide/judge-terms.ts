import type { Request, Result } from '../../../agent/lifecycle/model/api.ts';
import { peek } from './peek.ts';
import type { SimNode, Taken, World } from './world.ts';

/** What those who join ask for beyond the operation holds from then on; only the operation's own id cancels it. */
export interface TermJudge {
  watch(taken: Taken): void;
  joined(node: SimNode, request: Request, ticket: string): void;
  cancelled(node: SimNode, id: string): void;
  finished(taken: Taken, result: Result): void;
  crashed(node: SimNode): void;
}

interface Terms {
  readonly op: string;
  onTimeout: Request['onTimeout'];
  /** Ids by which it was cancelled, or undone by a `ready`. */
  readonly cancelledBy: Set<string>;
}

export function createTermJudge(
  world: World,
  find: (id: string) => Request | undefined,
  followersOf: (ticket: string) => Request[],
): TermJudge {
  const { verdicts } = world;
  const running = new Map<number, Terms>();

  function watch({ node, after }: Taken): void {
    const { op } = peek(after);
    if (!op) return;
    if (running.get(node.index)?.op !== op.id)
      running.set(node.index, { op: op.id, onTimeout: null, cancelledBy: new Set() });
  }

  function fenceOf({ node, after }: Taken, { id, ok, operation, phase, plan }: Result): void {
    if (!ok || plan || operation !== 'drain' || phase !== 'drained' || peek(after).isForced) return;
    const asked = [find(id), ...followersOf(id)].filter((one) => one != null);
    const fenced = asked.find(({ fence, dryRun, kind }) => kind === 'drain' && fence && !dryRun);
    if (!fenced) return;
    for (const { name, servers, counts } of node.policy.balancers) {
      const looked = node.known.looks.get(name);
      if (!counts || !looked || looked.lostAt !== null) continue;
      for (const server of servers) {
        const { admin, by, since, absent } = world.lb(name).server(server);
        if (!absent && admin !== 'maint' && by !== 'operator' && since < looked.startedAt)
          verdicts.broken('drained in DRAIN', [fenced.id, id, name, server, admin]);
      }
    }
  }

  function onTimeout({ node, after }: Taken, { id, code, phase, operation }: Result): void {
    const terms = running.get(node.index);
    if (!terms || terms.onTimeout === null || code !== 'deadline') return;
    if (operation === 'ready' || operation === 'hold') return;
    const isHeld = ['draining', 'settling', 'fencing', 'drained'].includes(phase);
    const did = isHeld ? 'hold' : 'restore';
    if (did !== terms.onTimeout)
      verdicts.broken('terms dropped', [id, `asked ${terms.onTimeout}`, did, peek(after).phase]);
  }

  return {
    watch,
    joined(node, request, ticket) {
      const { op } = peek(node.state);
      const terms = running.get(node.index);
      if (!op || !terms || (op.id !== ticket && !op.tickets.includes(ticket))) return;
      if (request.onTimeout !== null) terms.onTimeout = request.onTimeout;
    },
    cancelled: (node, id) => void running.get(node.index)?.cancelledBy.add(id),
    finished(taken, result) {
      fenceOf(taken, result);
      onTimeout(taken, result);
      const terms = running.get(taken.node.index);
      if (result.code !== 'cancelled' || !terms || result.id !== terms.op) return;
      const { cancelledBy, op } = terms;
      const isCancel = result.message?.includes('cancelled by test') && !result.message.includes('ready');
      if (isCancel && cancelledBy.size > 0 && !cancelledBy.has(op))
        verdicts.broken('cancelled by a joiner', [op, ...cancelledBy]);
    },
    crashed({ index }) {
      // The disk may not hold what a caller had joined with; that it was cancelled was answered, and is so.
      const terms = running.get(index);
      if (terms) terms.onTimeout = null;
    },
  };
}
