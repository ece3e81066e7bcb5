import type { OnTimeout, OperationKind } from '../../../agent/lifecycle/model/api.ts';
import type { Asked, Deed, Plain } from './deeds.ts';
import type { Draw } from './draw.ts';

/** How a deed is drawn. */

type What = Deed extends infer D ? (D extends Deed ? Omit<D, 'after' | 'which'> : never) : never;
export type Maker = (draw: Draw) => What;
/** Each maker as often as its weight. */
export type Weighted = readonly (readonly [number, Maker])[];

const TERMS: Omit<Asked, 'kind'> = {
  reason: null,
  by: 'test',
  timeoutMs: null,
  onTimeout: null,
  expiresMs: null,
  force: false,
  fence: true,
  dryRun: false,
  isShutdown: false,
};
const KINDS: readonly OperationKind[] = ['drain', 'stop', 'ready', 'restart'];
export const ON_TIMEOUT: readonly OnTimeout[] = ['restore', 'hold', 'force'];

export const plain =
  (what: Plain): Maker =>
  () => ({ do: what });
export const submit =
  (terms: (draw: Draw) => Partial<Asked> & Pick<Asked, 'kind'>, everywhere = false): Maker =>
  (draw) => ({ do: 'submit', request: { ...TERMS, ...terms(draw) }, everywhere });
export const anyKind = (draw: Draw): OperationKind => draw.pick(...KINDS);
