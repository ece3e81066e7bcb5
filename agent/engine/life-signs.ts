import type { LifeSigns } from '../lifecycle/model/observation.ts';
import { withDeadline } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { reach } from '../system/tcp.ts';
import type { Ports } from './ports.ts';

/** How long a port may take to answer; one that does not is not known to be open. */
const CONNECT_MS = 1_000;

/** Nothing answers, or nothing has to be asked. */
export const NO_SIGNS: LifeSigns = { counts: {}, servers: [], open: [], processes: [] };

/**
 * Looks for an application whose process has ended: everything is asked now, since earlier answers prove nothing
 * and a first one may still be on its way. No answer is no sign.
 */
export async function lookForLife(
  ports: Pick<Ports, 'sources' | 'balancers' | 'clock' | 'stopper'>,
  signal: AbortSignal,
): Promise<LifeSigns> {
  const [counts, servers, processes] = await Promise.all([
    countAll(ports, signal),
    lookAtAll(ports, signal),
    ports.stopper?.remainingPids?.() ?? [],
  ]);
  const addresses = new Map(
    servers.flatMap(({ view: { address } }) =>
      address === undefined ? [] : [[`${address.host}:${address.port}`, address] as const],
    ),
  );
  const open = await Promise.all(
    [...addresses].map(async ([name, address]) => ((await isOpen(ports, address, signal)) ? [name] : [])),
  );
  return { counts, servers, open: open.flat(), processes };
}

async function countAll(
  { sources }: Pick<Ports, 'sources'>,
  signal: AbortSignal,
): Promise<LifeSigns['counts']> {
  const counted = await Promise.all(
    sources.map((source) =>
      source.count(signal).then(
        (count) => [[source.name, count] as const],
        () => [],
      ),
    ),
  );
  return Object.fromEntries(counted.flat());
}

async function lookAtAll(
  { balancers }: Pick<Ports, 'balancers'>,
  signal: AbortSignal,
): Promise<LifeSigns['servers']> {
  const looks = await Promise.all(
    balancers.map((balancer) =>
      balancer.look(signal).then(
        ({ servers }) => servers.map((view) => ({ balancer: balancer.name, view })),
        () => [],
      ),
    ),
  );
  return looks.flat();
}

async function isOpen(
  { clock }: Pick<Ports, 'clock'>,
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<boolean> {
  const late = (): LastcallError => new LastcallError('failed', `no connection within ${CONNECT_MS} ms`);
  try {
    await withDeadline(clock, CONNECT_MS, signal, late, (own) => reach(host, port, own));
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
