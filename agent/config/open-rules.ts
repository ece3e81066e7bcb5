import { isIPv6 } from 'node:net';
import type { Config } from './config.ts';

/** Warnings of what a valid configuration leaves open to other hosts. */

const EVERYWHERE = ['0.0.0.0', '::', '[::]'];
/** The longest prefixes without a warning: eight addresses, as many as one balancer may have. */
const WIDEST = { v4: 29, v6: 125 } as const;

/** A port that every host may ask, and a block of addresses from which every host is taken for a balancer. */
export function warnOfOpen(config: Config): string[] {
  const { balancers, listen } = config;
  const asked = { agentCheck: listen.agentCheck, health: listen.health };
  const open = Object.entries(asked).flatMap(([key, port]) =>
    port !== null && EVERYWHERE.includes(port.host) && port.allow.length === 0
      ? [`listen.${key} answers every host that reaches it: name those that may ask in \`allow\``]
      : [],
  );
  const metrics =
    listen.metrics !== null && EVERYWHERE.includes(listen.metrics.host)
      ? ['listen.metrics answers every host that reaches it: let it listen at an address that few can reach']
      : [];
  const hooks =
    listen.hooks !== null && listen.hooks.tokenFile === null
      ? ['listen.hooks has no tokenFile: every user of this machine may drain the node']
      : [];
  const wide = balancers.flatMap((balancer, index) => {
    if (balancer.kind === 'haproxy' || (balancer.kind === 'agentCheck' && balancer.id !== null)) return [];
    const cure =
      balancer.kind === 'agentCheck'
        ? 'give it an `id` (its agent-send), or list its addresses'
        : 'list its addresses';
    return balancer.from
      .filter(isWide)
      .map(
        (network) =>
          `balancers[${index}].${balancer.kind}.from: every host of ${network} is taken for this balancer, and ` +
          `an answer to it for an answer to the balancer: ${cure}`,
      );
  });
  return [...warnOfSocket(config), ...open, ...metrics, ...hooks, ...wide];
}

const OTHERS_OPEN = 0o002;
const GROUP_OPENS = 0o020;

/** A user that may open the control socket can do more than take this node out. */
function warnOfSocket({ listen, lock, node }: Config): string[] {
  const { mode, group } = listen.control;
  const slots = lock === null ? '' : ', and free slots of its pool';
  if ((mode & OTHERS_OPEN) !== 0)
    return [
      `listen.control.mode lets every user of this machine drain and stop ${node}, reboot this machine where the sidecar may${slots}`,
    ];
  if ((mode & GROUP_OPENS) === 0) return [];
  const members = group === null ? 'the members of the group of lastcall' : `the members of ${group}`;
  return [`listen.control.mode: ${members} can also reboot this machine where the sidecar may${slots}`];
}

function isWide(network: string): boolean {
  const [address = '', length] = network.split('/');
  if (length === undefined) return false;
  return Number(length) < (isIPv6(address) ? WIDEST.v6 : WIDEST.v4);
}
