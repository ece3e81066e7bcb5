import type { Proof } from '../../agent/lifecycle/model/observation.ts';
import type { Stopper } from '../../agent/app/contracts.ts';
import { never } from './outcome.ts';

/** The process that a stopper proves to be the application; null where nothing will show that it has ended. */
export async function provenBy(stopper: Stopper): Promise<Proof | null> {
  const found = await stopper.check(never);
  return 'pid' in found ? found : null;
}
