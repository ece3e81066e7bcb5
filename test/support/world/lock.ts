import { isTurn, viewOf } from '../../../agent/fleet/pool-queue.ts';
import type { HolderServer } from '../../../agent/lifecycle/model/event.ts';
import type { Claim, PoolView, SlotHolder } from '../../../agent/lifecycle/model/pool.ts';
import type { HolderPlace, LockAsk } from '../../../agent/lifecycle/model/slot.ts';

const SLOW_MS = 1_300;

/** The lock of one pool, without a process behind it: what is asked is done at that instant, or it is out of reach. */
export class SimLock {
  /** Why it does not answer; null = it does. */
  down: string | null = null;
  /** How long an answer takes, in milliseconds. */
  answerMs = 0;
  /** It answers late, and too late at times. */
  isSlow = false;
  /** What a balancer shows of the servers of other nodes, by name, where that is not READY and up; null = it shows none. */
  shows: Readonly<Record<string, Omit<HolderServer, 'name' | 'balancer'>>> | null = {};
  private holders: readonly SlotHolder[] = [];
  private queue: readonly { readonly claim: Claim; readonly since: number }[] = [];
  private changes = 0;

  /** The most that a question takes on its way, and its answer, in milliseconds. */
  get mostMs(): number {
    return this.isSlow ? SLOW_MS : 10;
  }

  view(now: number): PoolView {
    return viewOf(now, this.holders, this.queue);
  }

  /** @throws Error while it is down */
  ask(ask: LockAsk, now: number): PoolView {
    if (this.down !== null) throw new Error(this.down);
    const { claim } = ask;
    switch (ask.does) {
      case 'take':
        this.take(claim, now);
        break;
      case 'give':
        this.drop(claim.id);
        break;
      case 'mark':
        this.mark(claim, ask.state, ask.failure);
        break;
      case 'look':
        break;
      default:
        ask satisfies never;
    }
    return this.view(now);
  }

  /** Another hand frees the slot of a node. @returns whether it had one */
  free(node: string): boolean {
    const before = this.holders.length;
    this.holders = this.holders.filter(({ claim }) => claim.node !== node);
    return this.holders.length < before;
  }

  /** As the lock does it for `free`: by comparison with what was read. @returns whether it was freed */
  freeRead({ claim, revision }: SlotHolder): boolean {
    const found = this.holders.find((one) => one.claim.id === claim.id);
    if (this.down !== null || found === undefined || found.alive || found.revision !== revision) return false;
    this.drop(claim.id);
    return true;
  }

  /** @throws Error where `shows` is null */
  serversAt({ balancer, servers }: HolderPlace): HolderServer[] {
    const { shows } = this;
    if (shows === null) throw new Error('permission denied');
    return servers.map((name) => ({
      balancer,
      name,
      admin: 'ready' as const,
      operational: 'up' as const,
      ...shows[name],
    }));
  }

  /** What proves that a holder lives ends, or goes on. */
  setAlive(node: string, alive: boolean): void {
    this.holders = this.holders.map((one) => (one.claim.node === node ? { ...one, alive } : one));
    if (!alive) this.queue = this.queue.filter(({ claim }) => claim.node !== node);
  }

  private take(claim: Claim, now: number): void {
    const held = this.holders.find((one) => one.claim.id === claim.id);
    if (held) {
      const revision = JSON.stringify(held.claim) === JSON.stringify(claim) ? held.revision : this.revision();
      const current = { ...held, claim, alive: true, revision };
      this.holders = this.holders.map((one) => (one === held ? current : one));
      return;
    }
    if (!this.queue.some((one) => one.claim.id === claim.id))
      this.queue = [...this.queue, { claim, since: now }];
    if (!isTurn(this.view(now), claim)) return;
    this.queue = this.queue.filter((one) => one.claim.id !== claim.id);
    const entry = { claim, state: 'out', failure: null, since: now, alive: true } as const;
    this.holders = [...this.holders, { ...entry, revision: this.revision() }];
  }

  private drop(id: string): void {
    this.holders = this.holders.filter(({ claim }) => claim.id !== id);
    this.queue = this.queue.filter(({ claim }) => claim.id !== id);
  }

  private mark(claim: Claim, state: SlotHolder['state'], failure: string | null): void {
    if (!this.holders.some((one) => one.claim.id === claim.id)) throw new Error('the slot is not held');
    this.holders = this.holders.map((one) =>
      one.claim.id === claim.id ? { ...one, claim, state, failure, revision: this.revision() } : one,
    );
  }

  private revision(): string {
    this.changes += 1;
    return String(this.changes);
  }
}
