import type { Event } from '../../../agent/lifecycle/event.ts';
import type { Policy } from '../../../agent/lifecycle/policy.ts';
import type { Admin } from '../../../agent/lifecycle/view.ts';

interface Looked {
  readonly begun: number;
  readonly at: number;
  readonly seen: ReadonlyMap<string, Admin>;
  /** When the first of the failed looks since came back; null = the last one was good. */
  readonly lostAt: number | null;
}

/**
 * What one sidecar can know: what it was told, kept apart from the lifecycle's own memory. What is older than this is
 * known, what is younger may be missed by anybody.
 */
export interface Knowledge {
  readonly looks: ReadonlyMap<string, Looked>;
  /** When the last good answer of a source that counts users was asked for; of the kernel. */
  readonly usersCountedAt: number;
  readonly kernelCountedAt: number;
  /** It was told that the application lives, and not since then that it has ended. */
  readonly appLives: boolean;
}

/** Nothing yet: a sidecar that was just started. */
export const NOTHING: Knowledge = {
  looks: new Map(),
  usersCountedAt: -Infinity,
  kernelCountedAt: -Infinity,
  appLives: true,
};

/** The knowledge after one more event. Pure. */
export function learn(known: Knowledge, event: Event, policy: Policy): Knowledge {
  switch (event.type) {
    case 'looked':
      return looked(known, event.balancer, event, event.look.servers);
    case 'surveyed':
      return looked(known, event.balancer, event, event.survey.servers);
    case 'lost': {
      const old = known.looks.get(event.balancer);
      if (!old || old.lostAt !== null) return known;
      return { ...known, looks: new Map(known.looks).set(event.balancer, { ...old, lostAt: event.at }) };
    }
    case 'counted': {
      const kernel = policy.kernelSource === event.source;
      const users = policy.userSources.includes(event.source);
      const lives = policy.appSources.includes(event.source) ? { appLives: true } : {};
      return {
        ...known,
        ...lives,
        usersCountedAt: users ? Math.max(known.usersCountedAt, event.begun) : known.usersCountedAt,
        kernelCountedAt: kernel ? Math.max(known.kernelCountedAt, event.begun) : known.kernelCountedAt,
      };
    }
    case 'probed':
      return event.health === 'up' ? { ...known, appLives: true } : known;
    case 'started':
    case 'app-back':
      return { ...known, appLives: true };
    case 'stopped':
    case 'app-gone':
      return { ...known, appLives: false };
    case 'outcome':
      return event.outcome === 'gone' ? { ...known, appLives: false } : known;
    default:
      return known;
  }
}

function looked(
  known: Knowledge,
  balancer: string,
  { begun, at }: { readonly begun: number; readonly at: number },
  servers: readonly { readonly name: string; readonly admin: Admin }[],
): Knowledge {
  const old = known.looks.get(balancer);
  if (old && begun < old.begun) return known;
  const seen = new Map(servers.map(({ name, admin }) => [name, admin]));
  return { ...known, looks: new Map(known.looks).set(balancer, { begun, at, seen, lostAt: null }) };
}
