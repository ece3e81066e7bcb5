import { composeEngine, createBalancers, type World } from './compose.ts';
import type { DirectOptions, DirectService } from './cli/ports.ts';
import { directConfig } from './direct-config.ts';
import type { Journal } from './journal/journal.ts';
import { loadHttp } from './system/http.ts';

/**
 * Direct mode: the same engine inside the CLI, for one operation, without a file and without a record. What was found
 * is restored when it is interrupted; a kill -9 in the middle is the operator's to clean up.
 */

/** Starts the engine for the flags; its first looks are under way when it is answered. */
export async function createDirect(options: DirectOptions, world: World): Promise<DirectService> {
  const config = directConfig(options);
  if (options.sessions !== null || options.health !== null) await loadHttp();
  const { balancers } = createBalancers(config, world, () => engine.status());
  const engine = composeEngine(config, { journal: NO_JOURNAL, balancers, child: null, direct: true }, world);
  await engine.start();
  return engine;
}

/** The promises of the record (I3, I8) are the sidecar's. */
const NO_JOURNAL: Journal = {
  load: async () => ({ kind: 'none' }),
  save: async () => undefined,
};
