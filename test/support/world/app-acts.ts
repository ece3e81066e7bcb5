import { isDeepStrictEqual } from 'node:util';
import { NO_SIGNS } from '../../../agent/engine/life-signs.ts';
import type { LifeSigns } from '../../../agent/lifecycle/model/observation.ts';
import type { SimSite } from './site.ts';
import type { Doing, SceneWorld, TellScene } from './world.ts';

/** What a sidecar does with its application: each ends in one event. */
export interface AppActs {
  check(effect: Doing<'check'>, tell: TellScene): void;
  stop(effect: Doing<'stop'>, tell: TellScene): void;
  outcomeOf(effect: Doing<'check-stop'>): 'gone' | 'alive' | 'unknown';
  start(effect: Doing<'start'>, tell: TellScene): void;
  gate(effect: Doing<'set-gate'>, tell: TellScene): void;
}

/** @param probe lets the prober look anew */
export function createAppActs(world: SceneWorld, probe: (tell: TellScene) => void): AppActs {
  const { time, site } = world;

  function check({ id, need }: Doing<'check'>, tell: TellScene): void {
    time.after(time.between(0.1, 10), () => {
      if (need !== 'stop') return tell({ type: 'command-checked', id, need, proof: null });
      if (!world.policy.stopIsIdempotent) return tell({ type: 'command-checked', id, need, proof: null });
      if (site.app.alive) return tell({ type: 'command-checked', id, need, proof: site.proof() });
      tell({ type: 'check-failed', id, need, code: 'app-stop', error: 'the process is not running' });
    });
  }

  function stop({ epoch, proof }: Doing<'stop'>, tell: TellScene): void {
    time.after(time.between(0.1, 5), () => {
      if (proof && !isDeepStrictEqual(proof, site.proof()))
        return tell({ type: 'stopped', epoch, how: 'gone', warnings: [] });
      if (world.policy.stopIsIdempotent && !proof)
        return tell({ type: 'stop-failed', epoch, error: 'no process was proven to be the application' });
      if (site.app.stop === 'fails')
        return void time.after(time.between(10, 500), () =>
          tell({ type: 'stop-failed', epoch, error: 'it does not end' }),
        );
      time.after(time.between(1, 500), () => {
        site.die();
        probe(tell);
        time.after(time.between(0.1, 20), () =>
          tell({ type: 'stopped', epoch, how: 'TERM', warnings: [], ...(!proof && { unproven: true }) }),
        );
      });
    });
  }

  function outcomeOf({ proof }: Doing<'check-stop'>): 'gone' | 'alive' | 'unknown' {
    if (!proof) return 'unknown';
    return site.app.alive && isDeepStrictEqual(proof, site.proof()) ? 'alive' : 'gone';
  }

  function start({ epoch }: Doing<'start'>, tell: TellScene): void {
    time.after(time.between(site.app.startMs / 10, site.app.startMs), () => {
      if (site.app.start === 'fails') return tell({ type: 'start-failed', epoch, error: 'exit 1' });
      site.revive(site.app.start === 'works');
      const proof = world.policy.supervises ? site.proof() : null;
      time.after(time.between(0.1, 10), () => tell({ type: 'started', epoch, proof }));
      probe(tell);
    });
  }

  function gate({ to }: Doing<'set-gate'>, tell: TellScene): void {
    time.after(time.between(0.5, 50), () => {
      const error = !site.app.alive || time.chance(0.1) ? 'exit 1' : null;
      if (error === null) site.app.gated = to === 'on';
      time.after(time.between(0.1, 5), () => tell({ type: 'gate-set', to, error }));
    });
  }

  return { check, stop, outcomeOf, start, gate };
}

/** The port of an application that lives is open. */
export function signsOf({ app }: SimSite): LifeSigns {
  return { ...NO_SIGNS, open: app.alive ? ['127.0.0.1:80'] : [], processes: app.left };
}
