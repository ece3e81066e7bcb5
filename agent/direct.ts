import { composeEngine, createRuntime, type Drivers, onlyBalancers, type World } from './compose.ts';
import type { Config } from './config/config.ts';
import type { DirectOptions, DirectService } from './cli/ports.ts';
import { directConfig } from './direct-config.ts';
import type { DriverParts } from './drivers.ts';
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
  const listed = config.balancers.filter((balancer) => balancer.kind === 'haproxy');
  const balancers = listed.map((balancer) => createRuntime(balancer, world));
  const parts = { journal: NO_JOURNAL, child: null, direct: true };
  const drivers = await driversFor(config, { ...parts, balancers }, world);
  const engine = composeEngine(config, parts, drivers, world);
  await engine.start();
  return engine;
}

/** Most command lines name no more than balancers: the other drivers are a fifth of what would be loaded. */
async function driversFor(config: Config, parts: DriverParts, world: World): Promise<Drivers> {
  const { app, drain, lock, sessions } = config;
  const named = [app.stop, app.start, drain.gate, lock, ...sessions, ...drain.warn];
  if (named.every((one) => one === null)) return onlyBalancers(parts.balancers);
  const { driversOf } = await import('./drivers.ts');
  return driversOf(config, parts, world);
}

/** The promises of the record (I3, I8) are the sidecar's. */
const NO_JOURNAL: Journal = {
  load: async () => ({ kind: 'none' }),
  save: async () => undefined,
};
