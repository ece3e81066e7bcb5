import { createPortHolder } from './app/port-holder.ts';
import type { Stopper } from './app/contracts.ts';
import type { Config, ProbeConfig } from './config/config.ts';
import type { Engine } from './engine/engine.ts';
import type { Ports } from './engine/ports.ts';
import type { PhaseTraits } from './lifecycle/model/phase.ts';
import { createProbe } from './probes/create.ts';
import { ofApplication } from './probes/of-application.ts';
import { createProber } from './probes/prober.ts';
import type { Clock } from './system/clock.ts';
import type { Log } from './system/log-port.ts';
import { isOwnHost, ownAddresses } from './system/own-addresses.ts';

/** Composes the probe of a node with what shows whose answers it gets. */

export interface ProbedNode {
  /** Names the process that is the application. */
  readonly stopper: Stopper | null;
  readonly place: () => PhaseTraits['place'];
  readonly onVerdict: Engine['probed'];
}

/** @throws LastcallError `config` for an invalid URL */
export function probingOf(
  { app: { probe: config } }: Config,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  { stopper, place, onVerdict }: ProbedNode,
): Ports['probing'] {
  if (!config) return null;
  const warn = (text: string): void => log.warn(text);
  const any = createProbe(config, { clock, onWarning: warn });
  const port = isOwn(config.how) ? probedPort(config.how)[0] : undefined;
  const holder = port !== undefined && stopper ? createPortHolder(port, stopper, { clock, log }) : null;
  const probe = holder ? ofApplication(any, { ...holder, place, onStranger: warn }) : any;
  const { everyMs, timeoutMs, fall } = config;
  return { probe, prober: createProber(config, probe, { clock }, onVerdict), everyMs, timeoutMs, fall };
}

/** The port that an HTTP or TCP probe asks. */
export function probedPort(how: ProbeConfig['how'] | undefined): number[] {
  if (how?.kind === 'tcp') return [how.port];
  if (how?.kind !== 'http') return [];
  const { port, protocol } = new URL(how.url);
  return [port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)];
}

/** Does the probe ask this very machine? No name is looked up. */
function isOwn(how: ProbeConfig['how']): boolean {
  if (how.kind === 'tcp') return isOwnHost(how.host, ownAddresses());
  return how.kind === 'http' && isOwnHost(new URL(how.url).hostname.replace(/^\[|\]$/g, ''), ownAddresses());
}
