import type { Service } from '../engine/service.ts';
import type { PhaseChange } from '../hooks/phase-hook.ts';
import type { Phase, Status, StatusOperation } from '../lifecycle/model/api.ts';
import { PHASES } from '../lifecycle/model/phase.ts';
import type { Clock } from '../system/clock.ts';

/**
 * A result is published once it is on disk, or ten seconds later where the disk hangs (engine/state-file.ts); the lock gets to
 * know of the slot within two (engine/slot-at-lock.ts).
 */
const RESULT_MS = 12_000;

/**
 * Reports the present phase, and each visible change of it. An engine that follows another one (SIGHUP) begins by looking where the
 * node is: that is no change.
 * @returns ends it; results that are still waited for are not waited for any more
 */
export function watchPhases(
  service: Service,
  { clock }: { readonly clock: Clock },
  tell: (change: PhaseChange) => void,
): () => void {
  const results = createResultWait(service, clock);
  const first = service.status();
  let { phase: last, operation: shown } = first;
  tell(changeOf(first, null, first.operation, NO_CODE));
  const unwatch = service.watch({
    result: ({ id, code }) => results.came(id, code),
    status(status) {
      const previous = last;
      // An operation that ends with this change is not in the status any more.
      const operation = status.operation ?? shown;
      const ended = status.operation === null ? shown : null;
      shown = status.operation;
      if (!isChange(previous, status.phase)) return;
      last = status.phase;
      tell(changeOf(status, previous, operation, ended === null ? NO_CODE : results.codeOf(ended.id)));
    },
  });
  return () => {
    unwatch();
    results.close();
  };
}

const NO_CODE = Promise.resolve(null);

function isChange(previous: Phase, phase: Phase): boolean {
  const isLookingAnew = PHASES[phase].place === 'unknown' && PHASES[previous].place !== 'unknown';
  return phase !== previous && !isLookingAnew;
}

function changeOf(
  { phase, since, sessions }: Status,
  previous: Phase | null,
  operation: StatusOperation | null,
  code: PhaseChange['code'],
): PhaseChange {
  return { phase, previous, at: since, operation, sessions: sessions.total, code };
}

interface ResultWait {
  came(id: string, code: string): void;
  /** The code of an operation that has ended, once its result is published; null where that is not in time. */
  codeOf(id: string): Promise<string | null>;
  close(): void;
}

function createResultWait(service: Service, clock: Clock): ResultWait {
  const waiting = new Map<string, (code: string | null) => void>();
  const came = (id: string, code: string | null): void => {
    waiting.get(id)?.(code);
    waiting.delete(id);
  };
  return {
    came,
    codeOf(id) {
      const known = service.result(id);
      if (typeof known === 'object') return Promise.resolve(known.code);
      return new Promise((resolve) => {
        const cancel = clock.after(RESULT_MS, () => came(id, null));
        waiting.set(id, (code) => {
          cancel();
          resolve(code);
        });
      });
    },
    close() {
      for (const id of waiting.keys()) came(id, null);
    },
  };
}
