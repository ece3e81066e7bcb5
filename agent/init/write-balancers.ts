import { scalar, type YamlWriter } from './yaml-writer.ts';
import type { Facts, NodeFacts, Section } from './facts.ts';
import { nameOf } from './balancer-view.ts';
import { shortList } from './choose.ts';
import type { ServerDetail } from './node-details.ts';

/** Writes `balancers`, and what follows from their sockets: `listen`, `reloadGrace`. */
export function writeBalancers(draft: YamlWriter, section: Section): void {
  const { nodes } = section.facts;
  draft.comment(
    'Each HAProxy in front of this node, with all the names that the node has there. A balancer that is not listed goes on sending users: list each one.',
  );
  draft.yaml('balancers:');
  for (const node of nodes) writeBalancer(draft, section, node);
  writeReloadGrace(draft, nodes);
  writeOthers(draft, section);
  writeAgentCheck(draft, section);
}

function writeBalancer(draft: YamlWriter, section: Section, node: NodeFacts): void {
  const { balancer, leftOut } = node.at;
  draft.comment(`HAProxy ${balancer.info.version}; this socket is of level ${balancer.level}.`, 2);
  draft.yaml(`  - haproxy: ${scalar(addressText(node))}`);
  if (balancer.address.kind === 'tls') writeTls(draft, section.facts);
  if (node.access === 'root')
    draft.comment(
      `This socket is root's alone: the sidecar has to be root, or HAProxy's line needs ${SHARED}.`,
      4,
    );
  writeLevel(draft, section, node);
  writeMaster(draft, node);
  draft.yaml('    servers:');
  for (const server of node.servers) {
    draft.yaml(`      - ${scalar(server.name)} # ${about(server)}`);
    warnOfServer(section, node, server);
  }
  for (const server of leftOut)
    draft.choice(
      6,
      `- ${scalar(nameOf(server))} # the same address, in MAINT without a connection: list it if it ever takes users`,
    );
}

const SHARED = "`mode 660 group haproxy` (of which the sidecar's user has to be a member)";

/** As the operator wrote it; a bare path is a unix socket. */
function addressText({ at }: NodeFacts): string {
  const { target } = at.balancer;
  return target.startsWith('/') ? `unix:${target}` : target;
}

function writeTls(draft: YamlWriter, { tls }: Facts): void {
  if (tls === null) return;
  draft.comment('The sidecar has to be able to read these files; the key stays in its own.', 4);
  const { ca, cert, key } = tls;
  draft.yaml(`    tls: { ca: ${scalar(ca)}, cert: ${scalar(cert)}, key: ${scalar(key)} }`);
}

/** Below level admin the socket sets no state: states have to be set by agent-check. */
function writeLevel(draft: YamlWriter, { facts, warn }: Section, node: NodeFacts): void {
  const { balancer } = node.at;
  if (balancer.level === 'admin') return;
  if (isByAgent(node, facts)) {
    draft.comment(
      'A socket of level operator counts and sets nothing; HAProxy asks an agent of this node, so states are set by its answers.',
      4,
    );
    draft.yaml('    writer: agent-check');
    return;
  }
  warn(`${balancer.target}: this socket is of level operator, which can set no state; see EDIT in the file`);
  draft.edit(
    'how is a state set here? A socket of level operator counts and sets nothing, and until then `drain` refuses (78 not-permitted). Give this `stats socket` of HAProxy `level admin`; or leave it, write `agent-check agent-port 7001 agent-inter 1s` on the lines of these servers in HAProxy, and take the `# ` away from the next line and from `listen:` below.',
    4,
  );
  draft.choice(4, 'writer: agent-check');
}

/** HAProxy asks an agent of each server, and no process is that agent yet. */
function isByAgent({ servers }: NodeFacts, { takenPorts }: Facts): boolean {
  return servers.every(({ agentPort }) => agentPort !== null && agentPort > 0 && !takenPorts.has(agentPort));
}

function writeMaster(draft: YamlWriter, { master, masterAccess }: NodeFacts): void {
  if (master.kind === 'found') {
    const why =
      'The master of this HAProxy: after a reload, users of the old worker are counted through it until they have left.';
    if (masterAccess === 'root') {
      draft.comment(
        `${why} Its socket is root's alone: take the \`# \` away if the sidecar is root, or give it a group first (Debian: EXTRAOPTS="-S /run/haproxy/master.sock,mode,660,group,haproxy" in /etc/default/haproxy). Without it old workers are seen in /proc, and waited for.`,
        4,
      );
      draft.choice(4, `master: ${scalar(master.address)}`);
      return;
    }
    draft.comment(why, 4);
    draft.yaml(`    master: ${scalar(master.address)}`);
    return;
  }
  const why =
    master.kind === 'none'
      ? 'This HAProxy has no master socket (`haproxy -W -S`): after a reload its old workers are seen in /proc, and waited for.'
      : 'Whether this HAProxy has a master socket (`haproxy -W -S`) cannot be seen from here. Without it, users of an old worker after a reload are not counted: see `reloadGrace` below.';
  draft.comment(why, 4);
  draft.choice(4, 'master: unix:/run/haproxy/master.sock');
}

/** Facts of one server, behind its name. */
function about({ endpoint, sticky, hashed, check }: ServerDetail): string {
  const checks = {
    none: 'no check',
    http: 'checked over HTTP',
    tcp: 'checked by a connection',
    other: 'checked',
    unseen: 'its check is not shown',
  };
  const bound = [...(sticky === null ? [] : [sticky]), ...(hashed === null ? [] : [hashed])];
  return [
    endpoint === null ? 'no address' : `${endpoint.host} port ${endpoint.port}`,
    bound.length === 0 ? 'binds no users' : `binds users: ${bound.join(', ')}`,
    `${checks[check.kind]}${check.port === null ? '' : ` on port ${check.port}`}`,
  ].join('; ');
}

function warnOfServer({ warn }: Section, { at }: NodeFacts, server: ServerDetail): void {
  const name = `${at.balancer.target}: ${server.name}`;
  if (server.isUnresolved)
    warn(`${name} is in MAINT since its name has no address (DNS): no command ends that, and no user comes`);
  else if (server.admin === 'maint')
    warn(`${name} is in MAINT now: a drain goes on around it, and \`ready\` leaves it there`);
  if (server.admin === 'drain')
    warn(`${name} is in DRAIN now: end that first, or a drain is refused (75 held)`);
  if (server.isWeightless)
    warn(
      `${name} has weight 0 now, which is an operator's drain: give it a weight, or a drain is refused (75 held)`,
    );
  if (server.hashed !== null)
    warn(
      `${name}: ${server.hashed} alone binds users, and a DRAIN itself moves them: drain and stop refuse (75 unkeepable) unless \`sticky: false\` is true`,
    );
  if (server.check.kind === 'none')
    warn(`${name} has no check: HAProxy sends users to it whether it works or not`);
}

function writeReloadGrace(draft: YamlWriter, nodes: readonly NodeFacts[]): void {
  if (nodes.every(({ master }) => master.kind !== 'unseen')) return;
  draft.blank();
  draft.comment(
    'Where the old workers of a HAProxy cannot be seen, connections are unknown until its process is so old: a drain right after a reload, or a start, waits for that. Shorter than the longest request or download: users of an old worker may be cut off.',
  );
  draft.yaml('reloadGrace: 10m');
}

function writeOthers(draft: YamlWriter, { facts }: Section): void {
  if (facts.others.length === 0) return;
  const names = facts.others.flatMap((group) => group.map(({ server }) => nameOf(server)));
  draft.blank();
  draft.comment(
    `Other applications of this machine at these HAProxys: ${shortList([...new Set(names)])}. Each is a node of its own, with a file and a sidecar of its own.`,
  );
}

function writeAgentCheck(draft: YamlWriter, { facts, warn }: Section): void {
  const { nodes, takenPorts } = facts;
  const below = nodes.filter(({ at }) => at.balancer.level !== 'admin');
  const asked = nodes.flatMap(({ servers }) => servers.flatMap(({ agentPort }) => agentPort ?? []));
  if (below.length === 0) {
    if (asked.length > 0) writeOtherAgent(draft, asked, takenPorts);
    if (asked.some((port) => takenPorts.has(port)))
      warn(
        `another program answers the agent-check of this node: where it says \`ready\`, \`drain\` or \`maint\`, it undoes what lastcall sets`,
      );
    return;
  }
  const port = asked.find((one) => one > 0 && !takenPorts.has(one)) ?? 7001;
  const lines = ['listen:', `  agentCheck: { address: ${scalar(`0.0.0.0:${port}`)} }`];
  draft.blank();
  draft.comment(
    'Where HAProxy asks (`agent-port`). Any address may ask: name the balancers with `allow: [10.0.0.0/24]` where others can reach this port.',
  );
  if (below.every((node) => isByAgent(node, facts))) draft.yaml(...lines);
  else draft.choice(0, ...lines);
}

/** Beside a socket of level admin no agent is needed. */
function writeOtherAgent(draft: YamlWriter, asked: readonly number[], takenPorts: ReadonlySet<number>): void {
  draft.blank();
  const free = asked.find((port) => port > 0 && !takenPorts.has(port));
  if (free === undefined) {
    draft.comment(
      'HAProxy asks an agent of this node (agent-check). If that agent says `ready`, `up` with a weight, `drain` or `maint`, it undoes what lastcall sets: let it say nothing but `up` and `down`.',
    );
    return;
  }
  draft.comment(
    `HAProxy asks an agent of this node (agent-check) at port ${free}, where nothing listens. If the sidecar is to be that agent (it says \`up\` and leaves the state to the socket):`,
  );
  draft.choice(0, 'listen:', `  agentCheck: { address: ${scalar(`0.0.0.0:${free}`)} }`);
}
