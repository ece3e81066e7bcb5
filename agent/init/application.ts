import type { Endpoint } from '../haproxy/server-keys.ts';
import { nameOf } from './balancer-view.ts';
import type { ServerCandidate } from './candidates.ts';
import { servicesOfUser, type ListeningProcess } from './machine.ts';
import { isApplication, programKind, type ProgramKind } from './program.ts';

/** The application of the node, as far as this machine shows it. */
export interface Application {
  readonly owner: PortOwner;
  /** Where it listens on this machine, a loopback address where that reaches it; empty where it is not here. */
  readonly endpoints: readonly Endpoint[];
  readonly kind: ProgramKind | null;
  /** The listening process, whose arguments show which program it is. */
  readonly process: ListeningProcess | null;
}

/** The process that listens, and what stops it. */
export type PortOwner =
  | { readonly kind: 'unit'; readonly unit: string; readonly program: string }
  /** A program that may stand in front of the application. */
  | { readonly kind: 'front'; readonly unit: string | null; readonly program: string }
  | { readonly kind: 'container'; readonly program: string }
  /** systemd holds the socket: a unit that was stopped is started by the next connection. */
  | { readonly kind: 'socket-activated' }
  /** Of a user's own systemd, which `systemctl --system` does not know. */
  | { readonly kind: 'user-unit'; readonly unit: string; readonly program: string }
  | { readonly kind: 'several'; readonly units: readonly string[] }
  /** Its unit runs other applications too (a supervisor), whose users a stop would cut. */
  | {
      readonly kind: 'shared';
      readonly unit: string;
      readonly program: string;
      readonly others: readonly string[];
    }
  /** Its unit is that of a supervisor (supervisord, pm2, runit, s6), which may run others, and starts it anew by itself. */
  | {
      readonly kind: 'supervised';
      readonly unit: string;
      readonly program: string;
      readonly supervisor: string;
      /** The port whose closing shows that the application has ended. */
      readonly port: number;
    }
  /** A program that `init` does not know: it may be the application, or run it. */
  | { readonly kind: 'unknown'; readonly unit: string; readonly program: string }
  /** A process that belongs to no unit. */
  | { readonly kind: 'no-unit'; readonly program: string }
  /** This user may not see the process. */
  | { readonly kind: 'hidden'; readonly users: readonly number[]; readonly units: readonly string[] }
  | { readonly kind: 'closed' }
  /** HAProxy sends its users to another machine, or does not show where. */
  | { readonly kind: 'elsewhere' };

const CONTAINER_SCOPE = /^(docker|libpod|cri-containerd|crio)-/;

/**
 * @param candidates the servers of this node
 * @param others those of other applications of this machine
 */
export function applicationOf(
  candidates: readonly ServerCandidate[],
  others: readonly ServerCandidate[],
): Application {
  const here = candidates.flatMap(({ place }) => (place.kind === 'here' ? [place] : []));
  const processes = here.flatMap(({ listener }) => listener?.processes ?? []);
  const apps = processes.filter((process) => isApplication(programKind(process)));
  const process = apps[0] ?? processes[0] ?? null;
  return {
    owner: here.length === 0 ? { kind: 'elsewhere' } : unlessShared(ownerOf(here, processes), others),
    endpoints: here.map(({ endpoint, listener }) => reachable(endpoint, listener?.isAny ?? false)),
    kind: process === null ? null : programKind(process),
    process,
  };
}

type Here = Extract<ServerCandidate['place'], { readonly kind: 'here' }>;

function ownerOf(here: readonly Here[], processes: readonly ListeningProcess[]): PortOwner {
  const users = [...new Set(here.flatMap(({ listener }) => listener?.hidden ?? []))];
  // Of root's processes most are no application: its services are no hint.
  if (users.length > 0)
    return {
      kind: 'hidden',
      users,
      units: users.flatMap((user) => (user === 0 ? [] : servicesOfUser(user))),
    };
  if (here.every(({ listener }) => listener === null)) return { kind: 'closed' };
  const kinds = processes.map(programKind);
  if (kinds.includes('systemd')) return { kind: 'socket-activated' };
  const [first] = processes;
  // The process has ended between the two looks.
  if (first === undefined) return { kind: 'closed' };
  const { program } = first;
  const units = [...new Set(processes.map(({ unit }) => unit?.name ?? ''))];
  const [unit = ''] = units;
  if (kinds.includes('container') || CONTAINER_SCOPE.test(unit)) return { kind: 'container', program };
  if (units.length > 1) return { kind: 'several', units: units.filter((name) => name !== '') };
  const isService = unit.endsWith('.service');
  if (!kinds.every(isApplication)) return { kind: 'front', unit: isService ? unit : null, program };
  if (!isService) return { kind: 'no-unit', program };
  if (first.unit?.manager === 'user') return { kind: 'user-unit', unit, program };
  const supervisor = processes.find((process) => process.supervisor !== null)?.supervisor ?? null;
  const port = here[0]?.endpoint.port ?? 0;
  if (supervisor !== null) return { kind: 'supervised', unit, program, supervisor, port };
  return { kind: kinds.every((kind) => kind === 'other') ? 'unknown' : 'unit', unit, program };
}

function unlessShared(owner: PortOwner, others: readonly ServerCandidate[]): PortOwner {
  if (owner.kind !== 'unit' && owner.kind !== 'unknown') return owner;
  const { unit, program } = owner;
  const sharing = others.filter(({ place }) => {
    const processes = place.kind === 'here' ? (place.listener?.processes ?? []) : [];
    return processes.some((process) => process.unit?.name === unit);
  });
  if (sharing.length === 0) return owner;
  return { kind: 'shared', unit, program, others: [...new Set(sharing.map(({ server }) => nameOf(server)))] };
}

/** @param isAny it takes connections to every address of this machine */
function reachable(endpoint: Endpoint, isAny: boolean): Endpoint {
  if (!isAny) return endpoint;
  // A socket for IPv6 may take no IPv4.
  return { ...endpoint, host: endpoint.host.includes(':') ? '::1' : '127.0.0.1' };
}

/** `127.0.0.1:8080`, `[::1]:8080`, as the configuration writes it. */
export function endpointText({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
