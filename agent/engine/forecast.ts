import { remainingSessions } from '../lifecycle/observed/counts.ts';
import { PHASES } from '../lifecycle/model/phase.ts';
import { NO_FORECAST, type Forecast } from '../lifecycle/model/forecast.ts';
import type { Policy } from '../lifecycle/model/policy.ts';
import type { State } from '../lifecycle/model/state.ts';
import type { Source } from '../sessions/source.ts';
import { resample, createSessionHistory } from './session-history.ts';
import { estimate } from './eta.ts';

/** Records how the users leave, and forecasts their end. */
export interface Forecaster {
  /** Takes note of the state as it is now. */
  record(state: State): void;
  /** @param now monotonic milliseconds */
  forecast(state: State, now: number): Forecast;
}

/** As many as fit on one line with other text. */
const CURVE_POINTS = 40;

export function createForecaster(policy: Policy, sources: readonly Source[]): Forecaster {
  const history = createSessionHistory();
  let out = false;
  return {
    record(state) {
      const goesOut = PHASES[state.phase].waits;
      if (goesOut && !out) history.clear();
      out = goesOut;
      if (goesOut) history.add({ at: state.now, count: remainingSessions(policy, state) });
    },
    forecast(state, now) {
      if (!PHASES[state.phase].waits) return NO_FORECAST;
      const { samples } = history;
      const { eta, reason } = estimate(samples, now, atMostMs(sources, state, now));
      return { eta, etaReason: reason, curve: resample(samples, now, CURVE_POINTS) };
    },
  };
}

/** The longest of the bounds; null where a source that still counts users has none. */
function atMostMs(sources: readonly Source[], state: State, now: number): number | null {
  const bounds = sources
    .filter(({ name }) => state.sources[name]?.count !== 0)
    .map(({ name, atMostMs: bound }) => {
      const { count = null, at = null } = state.sources[name] ?? {};
      const ms = bound?.() ?? null;
      return ms === null || at === null || count === null ? null : Math.max(0, at + ms - now);
    });
  if (bounds.length === 0) return null;
  return bounds.reduce((most, bound) => (most === null || bound === null ? null : Math.max(most, bound)));
}
