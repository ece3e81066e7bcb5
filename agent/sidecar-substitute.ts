import { dirname } from 'node:path';
import { notesAt } from './application.ts';
import { assemble, polledAddresses } from './assembly.ts';
import type { DirectService } from './cli/ports.ts';
import type { World } from './compose.ts';
import type { Config } from './config/config.ts';
import { openAudit, withAudit } from './telemetry/audit.ts';
import { createDueRuns } from './engine/due-runs.ts';
import { createLastRuns } from './engine/last-runs.ts';
import type { Service } from './engine/service.ts';
import { createJournal } from './journal/journal.ts';
import { checkReachable } from './journal/reachable.ts';
import { createRunningStopRecord } from './app/running-stop-record.ts';
import { openPidFileRecords } from './app/pid-file-record.ts';
import { actAsOwnerOf } from './system/act-as.ts';
import { type AtTheEnd, withClosing } from './system/closing.ts';
import { LastcallError, messageOf } from './system/error.ts';
import { loadHttp } from './system/http.ts';
import { createLabelledCounts } from './system/labelled-counts.ts';
import { createListenSockets } from './system/listen-sockets.ts';
import { lockNode } from './system/lock.ts';

/**
 * Loads what a substitute otherwise loads with its first request. By the module that asks for it then: Node looks for the file
 * of a loaded module once more when another module imports it.
 */
export async function loadRest(): Promise<void> {
  await loadHttp();
}

/**
 * The engine in this process, in the place of a sidecar that does not come back: by the sidecar's configuration and as its
 * user, with the node's lock and with its record, so that what was under way goes on here, and the next sidecar goes on
 * with what this one leaves. It has no control socket, no figures, no calendar, and calls no `hooks`.
 * @returns the engine, whose first looks are under way; `close` leaves everything as it is
 * @throws LastcallError `busy` when a sidecar holds the lock, and as a sidecar that cannot start
 */
export function createSubstitute(config: Config, world: World): Promise<DirectService> {
  return new Promise((resolve, reject) => {
    let leave = (): void => undefined;
    const left = new Promise<void>((done) => (leave = done));
    const over = withClosing(async (atTheEnd) => {
      const service = await open(config, world, atTheEnd);
      resolve({
        ...service,
        close() {
          leave();
          return over;
        },
      });
      await left;
    });
    over.catch(reject);
  });
}

async function open(config: Config, world: World, atTheEnd: AtTheEnd): Promise<Service> {
  await becomeSidecar(config.state);
  await checkReachable(config.state, world.clock);
  const lock = await lockNode(config.node, config.state, world.clock);
  atTheEnd(() => lock.release());
  const sockets = createListenSockets(world.clock);
  atTheEnd(() => sockets.close('all'));
  await Promise.all(polledAddresses(config).map((place) => sockets.open(place)));
  const parts = {
    journal: createJournal(config.state, config, world.clock),
    stops: createRunningStopRecord(...notesAt(`${config.state}.stop`, config, world)),
    pidFiles: await openPidFileRecords(...notesAt(`${config.state}.pid`, config, world)),
    child: null,
    sockets,
    scheduleRuns: createLabelledCounts(),
    lastRuns: createLastRuns(),
    dueRuns: createDueRuns(),
    onMissed: () => undefined,
  };
  const assembly = assemble(config, parts, world);
  atTheEnd(() => assembly.close());
  await assembly.listen();
  await assembly.engine.start();
  return audited(assembly.engine, config, world, atTheEnd);
}

async function becomeSidecar(state: string): Promise<void> {
  try {
    await actAsOwnerOf(dirname(state));
  } catch (error) {
    throw new LastcallError('state-write', `the directory of the state file ${state}: ${messageOf(error)}`, {
      target: state,
      next: 'start the sidecar once, which makes it',
      cause: error,
    });
  }
}

/** Users are about to lose their sessions: an audit log that cannot be written does not keep them from being waited for. */
async function audited(
  service: Service,
  { audit: path }: Config,
  world: World,
  atTheEnd: AtTheEnd,
): Promise<Service> {
  if (path === null) return service;
  try {
    const audit = await openAudit(path, world);
    atTheEnd(() => audit.flush());
    return withAudit(service, audit);
  } catch (error) {
    world.log.warn(messageOf(error));
    return service;
  }
}
