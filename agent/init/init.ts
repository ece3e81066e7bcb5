import { existsSync } from 'node:fs';
import type { TlsFiles } from '../haproxy/tls.ts';
import type { ServerName } from '../haproxy/names.ts';
import type { Clock } from '../system/clock.ts';
import { listeningSockets } from '../system/listening-sockets.ts';
import { ownAddresses } from '../system/own-addresses.ts';
import { LastcallError } from '../system/error.ts';
import { nodeNameProblem } from '../config/validators.ts';
import { applicationOf } from './application.ts';
import { nameOf, viewBalancer, type AskPorts } from './balancer-view.ts';
import { candidatesOf, portsHere } from './candidates.ts';
import { chooseServers, doubtsOf, type Choice } from './choose.ts';
import type { NodeFacts } from './facts.ts';
import { findHealthPage } from './health-page.ts';
import { readMachine } from './machine.ts';
import { readDetails } from './node-details.ts';
import { accessOf, findMaster } from './socket-facts.ts';
import { tomcatContexts } from './tomcat-contexts.ts';
import { writeConfiguration, type Written } from './write.ts';

/** The deadline of all questions to all HAProxys together. */
const ASK_MS = 10_000;
/** Debian's directory of PHP's sessions, and that of RHEL. */
const PHP_SESSIONS = ['/var/lib/php/sessions', '/var/lib/php/session'];

/** Where this directory is, systemd runs the machine (sd_booted(3)). */
const BOOTED_BY_SYSTEMD = '/run/systemd/system';

export interface InitOptions {
  /** Addresses as the operator wrote them, at least one. */
  readonly haproxy: readonly string[];
  readonly tls: TlsFiles | null;
  /** The servers that this node is; none = found by its addresses. */
  readonly servers: readonly ServerName[];
}

export interface InitPorts {
  readonly clock: Clock;
  readonly hostname: string;
  readonly signal: AbortSignal;
}

export interface Initial extends Written {
  readonly node: string;
  readonly balancers: readonly { readonly name: string; readonly servers: readonly string[] }[];
}

/**
 * Reads the HAProxys and this machine, asks the application for its usual health pages, and writes the configuration of the node as text. Changes nothing anywhere.
 * @throws LastcallError `balancer-unreachable` where one of them does not answer within 10 s; `not-permitted`,
 *   `no-such-server`, `usage` (see `viewBalancer`, `chooseServers`); the signal's reason
 */
export async function initialConfiguration(
  { haproxy, tls, servers }: InitOptions,
  { clock, hostname, signal }: InitPorts,
): Promise<Initial> {
  const own = ownAddresses();
  const ports: AskPorts = { clock, signal, until: clock.now() + ASK_MS, tls, own };
  const views = await Promise.all(haproxy.map((target) => viewBalancer(target, ports)));
  const machine = await readMachine(portsHere(views, own), signal);
  const choice = chooseServers(views, candidatesOf(views, machine), servers);
  const nodes: NodeFacts[] = [];
  for (const at of choice.nodes) {
    const master = findMaster(at.balancer);
    const masterAccess = master.kind === 'found' ? accessOf(master.address) : null;
    const details = await readDetails(at, ports);
    nodes.push({ ...details, access: accessOf(at.balancer.target), master, masterAccess });
  }
  const node = nodeName(choice, hostname);
  const application = applicationOf(choice.candidates, choice.others.flat());
  const written = writeConfiguration({
    node,
    nodes,
    application,
    healthPage: await findHealthPage(application.endpoints[0], { clock, signal }),
    contexts: tomcatContexts(application.process),
    others: choice.others,
    doubts: doubtsOf(choice),
    takenPorts: new Set((await listeningSockets(signal)).map(({ port }) => port)),
    tls,
    isRoot: process.geteuid?.() === 0,
    phpSessions: PHP_SESSIONS.filter((path) => existsSync(path)),
    hasSystemd: existsSync(BOOTED_BY_SYSTEMD),
  });
  const balancers = nodes.map(({ at }) => ({ name: at.balancer.target, servers: at.servers.map(nameOf) }));
  return { ...written, node, balancers };
}

/**
 * The host's name; of several nodes on one machine, or a node of another one, the first server's, or where that can be no
 * node's name (a router's of 140 characters) the host's with the port: the files of two nodes must differ.
 */
function nodeName({ nodes, others, candidates }: Choice, hostname: string): string {
  const [at] = candidates.flatMap(({ place }) => (place.kind === 'here' ? [place.endpoint.port] : []));
  const server = nodes[0]?.servers[0]?.server ?? hostname;
  const isOnly = at !== undefined && others.length === 0;
  const names = isOnly ? [hostname, server] : [server, ...(at === undefined ? [] : [`${hostname}-${at}`])];
  const good = names.find((text) => nodeNameProblem(text) === undefined);
  if (good !== undefined) return good;
  throw new LastcallError('config', `none of ${names.join(', ')} can be the name of a node`, {
    target: server,
    next: `give this machine a host name that can: ${nodeNameProblem('') ?? ''}`,
  });
}
