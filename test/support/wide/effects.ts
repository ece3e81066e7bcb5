import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import { createBalancerEffects } from './balancer-effects.ts';
import { goneByPidFile, provenByPidFile, signsOfLife } from './pid-file.ts';
import type { EffectOf, Issued, Oracle, SimNode, TellNode, World } from './world.ts';
import { freeHolder, readHolder } from './holders.ts';

/** The effects that are carried out here; the others are the node's own. */
export type Deferred = Exclude<
  Effect,
  { type: 'poll' | 'count' | 'reply' | 'finish' | 'log' | 'slot-freed' }
>;

const OWN: readonly Effect['type'][] = ['poll', 'count', 'reply', 'finish', 'log', 'slot-freed'];

export function isDeferred(effect: Effect): effect is Deferred {
  return !OWN.includes(effect.type);
}

/** A question to a lock is given up after this; it may be carried out all the same. */
const LOCK_DEADLINE_MS = 2_000;

/** Carries effects out as the engine does it, late and in any order; each ends in one event. */
export function createEffects(
  world: World,
  node: SimNode,
  oracle: () => Oracle,
): (effect: Deferred, tell: TellNode, issued: Issued) => void {
  const { time, verdicts } = world;
  const { app, disk } = node;
  const atBalancers = createBalancerEffects(world, node, oracle);
  let lockFreeAt = -Infinity;
  const later = (least: number, most: number, run: () => void): void =>
    void time.after(time.between(least, most), run);

  function check({ id, need }: EffectOf<'check'>, tell: TellNode): void {
    later(0.1, 10, () => {
      if (need === 'reboot' && app.reboot === 'denied') {
        const error = 'logind says challenge';
        return tell({ type: 'check-failed', id, need, code: 'not-permitted', error });
      }
      if (need !== 'stop' || !node.policy.stopIsIdempotent)
        return tell({ type: 'command-checked', id, need, proof: null });
      const proof = provenByPidFile(node);
      if (proof) return tell({ type: 'command-checked', id, need, proof });
      const error = 'the process is not running';
      if (!goneByPidFile(node)) return tell({ type: 'check-failed', id, need, code: 'app-stop', error });
      tell({ type: 'app-absent', id, error, signs: signsOfLife(world, node, node.policy.sources) });
    });
  }

  function stop({ epoch, proof }: EffectOf<'stop'>, tell: TellNode): void {
    later(0.1, 5, () => {
      // What has replaced itself is stopped as what its pid file names now.
      const isGone = proof !== null && !app.lives(proof) && provenByPidFile(node) === null;
      // Where something answers that probe it is no end.
      if (isGone && app.main !== null && app.healthy && node.policy.hasProbe)
        return later(10_000, 20_000, () =>
          tell({ type: 'stop-failed', epoch, error: 'it answers its probe' }),
        );
      if (isGone) {
        const signs = signsOfLife(world, node, node.policy.sources);
        return tell({ type: 'stopped', epoch, how: 'gone', warnings: [], signs });
      }
      if (app.stop === 'fails')
        return later(10, 500, () => tell({ type: 'stop-failed', epoch, error: 'it does not end' }));
      const stopped = app.main;
      later(1, 500, () => {
        // A command returns once the listener is closed; a signal's stopper waits for the process.
        const early = app.stop === 'early' && !node.policy.stopIsIdempotent;
        if (app.main === stopped) app.end(early ? time.between(500, 6_000) : 0);
        const warnings = early ? ['nothing proves that the application is gone'] : [];
        const unproven = proof === null ? ({ unproven: true } as const) : {};
        later(0.1, 100, () => tell({ type: 'stopped', epoch, how: 'TERM', warnings, ...unproven }));
      });
    });
  }

  function start({ epoch }: EffectOf<'start'>, tell: TellNode): void {
    later(1, 800, () => {
      if (app.start === 'fails') return tell({ type: 'start-failed', epoch, error: 'exit 1' });
      const before = app.startedTwice;
      app.spawn(app.start);
      if (app.startedTwice > before)
        verdicts.broken('started twice', 'an application was started while the old one still lived');
      const proof = node.policy.supervises ? app.proof() : null;
      later(0.1, 10, () => tell({ type: 'started', epoch, proof }));
    });
  }

  /** systemd ends everything some time after it was asked. */
  function reboot({ id }: EffectOf<'reboot'>, tell: TellNode): void {
    later(0.1, 50, () => {
      const mode = app.reboot;
      if (mode === 'refused') return tell({ type: 'reboot-refused', id, code: 'failed', error: 'inhibited' });
      later(0.1, 10, () => tell({ type: 'reboot-asked', id }));
      if (mode !== 'never') later(20, 5_000, () => node.powerCycle(time.chance(0.5)));
    });
  }

  function gate({ to }: EffectOf<'set-gate'>, tell: TellNode): void {
    later(0.5, 50, () => {
      const error = app.main === null || time.chance(0.1) ? 'exit 1' : null;
      if (error === null) app.gated = to === 'on';
      later(0.1, 5, () => tell({ type: 'gate-set', to, error }));
    });
  }

  function askLock({ ask }: EffectOf<'ask-lock'>, tell: TellNode): void {
    const begun = time.now;
    const { does } = ask;
    const { id } = ask.claim;
    const failed = (error: string): void => tell({ type: 'lock-failed', id, begun, error });
    const { lock } = world;
    // In their order, as over one connection: what a life before has asked comes first.
    lockFreeAt = Math.max(lockFreeAt, time.now + time.between(0.1, lock.mostMs));
    time.after(lockFreeAt - time.now, () => {
      const answerMs = time.between(0.1, lock.mostMs);
      const isLate = time.now - begun + answerMs > LOCK_DEADLINE_MS;
      try {
        const view = { ...lock.ask(ask, time.now), begun };
        if (!isLate) later(answerMs, answerMs, () => tell({ type: 'lock-answered', does, id, view }));
      } catch (error) {
        if (!isLate) later(answerMs, answerMs, () => failed(String(error)));
      }
      if (isLate)
        time.after(Math.max(0, begun + LOCK_DEADLINE_MS - time.now), () => failed('no answer in time'));
    });
  }

  return (effect, tell, issued) => {
    switch (effect.type) {
      case 'persist':
        return disk.save(JSON.stringify(effect.record), (error) =>
          tell(
            error === null
              ? { type: 'persisted', save: effect.save }
              : { type: 'persist-failed', save: effect.save, error },
          ),
        );
      case 'survey':
        return atBalancers.survey(effect, tell);
      case 'check':
        return check(effect, tell);
      case 'set-server':
        return atBalancers.say(effect, tell, issued);
      case 'set-weight':
        return atBalancers.weigh(effect, tell, issued);
      case 'close-connections':
        return atBalancers.close(effect, tell);
      case 'stop':
        return stop(effect, tell);
      case 'check-stop':
        return later(0.1, 60, () => {
          const { epoch, proof } = effect;
          const outcome = proof === null ? 'unknown' : app.lives(proof) ? 'alive' : 'gone';
          const signs = outcome === 'gone' ? { signs: signsOfLife(world, node, node.policy.sources) } : {};
          tell({ type: 'stop-checked', epoch, outcome, ...signs });
        });
      case 'look-for-life': {
        const { id, sources } = effect;
        return later(0.1, 60, () => tell({ type: 'life', id, signs: signsOfLife(world, node, sources) }));
      }
      case 'start':
        return start(effect, tell);
      case 'reboot':
        return reboot(effect, tell);
      case 'set-gate':
        return gate(effect, tell);
      case 'send-warning':
        return later(1, 50, () =>
          tell({ type: 'warning-sent', warningIndex: effect.warningIndex, error: null }),
        );
      case 'ask-lock':
        return askLock(effect, tell);
      case 'read-holder':
        return readHolder(world, node, effect, tell);
      case 'free-holder':
        return freeHolder(world, effect, tell);
      case 'reset-probe':
        return node.policy.hasProbe ? node.prober.reset() : undefined;
      default:
        return effect satisfies never;
    }
  };
}
