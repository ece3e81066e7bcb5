import { shortList } from './choose.ts';
import { endpointText, type PortOwner } from './application.ts';
import { scalar, type YamlWriter } from './yaml-writer.ts';
import type { Facts, Section } from './facts.ts';

/** Writes `node` and `app`: the probe, and how the application is started and stopped. */
export function writeApp(draft: YamlWriter, section: Section): void {
  const { facts } = section;
  draft.comment(
    'The name of the node, in every message and in the names of its files (/run/lastcall/NAME.sock).',
  );
  draft.yaml(`node: ${scalar(facts.node)}`);
  draft.blank();
  const endpoint = probeEndpoint(section);
  const owner = facts.application.owner;
  const isActive = endpoint !== null || owner.kind === 'unit';
  if (isActive) draft.yaml('app:');
  else draft.choice(0, 'app:');
  writeProbe(draft, section, endpoint);
  writeOwner(draft, facts);
}

/** Where the application takes connections; the address that HAProxy has for it where it is not on this machine. */
function probeEndpoint({ facts }: Section): string | null {
  const [here] = facts.application.endpoints;
  if (here !== undefined) return endpointText(here);
  const shown = facts.nodes.flatMap(({ servers }) => servers).find(({ endpoint }) => isUsable(endpoint));
  return shown?.endpoint ? endpointText(shown.endpoint) : null;
}

function isUsable(endpoint: { readonly port: number } | null): boolean {
  return endpoint !== null && endpoint.port > 0;
}

function writeProbe(draft: YamlWriter, { facts }: Section, endpoint: string | null): void {
  const checks = facts.nodes.flatMap(({ servers }) => servers.map(({ check }) => check));
  const [http] = checks.filter(({ kind }) => kind === 'http');
  draft.comment(
    `Is the application healthy? Nothing is brought back before this probe is good.${checkText(http)}`,
    2,
  );
  const [asked, ...others] = facts.application.endpoints.map(endpointText);
  const unasked = [...new Set(others)].filter((one) => one !== asked);
  if (unasked.length > 0)
    draft.comment(`The node listens at ${shortList(unasked)} too, which this probe does not ask.`, 2);
  const { healthPage } = facts;
  if (healthPage !== null) return writePage(draft, healthPage);
  const port = http?.port ?? null;
  const place = endpoint ?? '127.0.0.1:8080';
  const host = port === null ? place : place.replace(/:\d+$/, `:${port}`);
  draft.edit(
    'which page says whether the application is healthy? A connection shows only that its port is open: one that opens its port before it can serve gets users too early.',
    2,
  );
  const page = `http: { url: ${scalar(`http://${host}/health`)} }`;
  if (endpoint === null) return draft.choice(2, 'probe:', '  tcp: 127.0.0.1:8080', `  ${page}`);
  draft.yaml('  probe:', `    tcp: ${scalar(endpoint)}`);
  draft.choice(4, page);
}

function checkText(http: object | undefined): string {
  if (http === undefined) return '';
  return ' HAProxy checks this node over HTTP; the path is in its configuration (`option httpchk`), no socket shows it.';
}

/** A page that has answered is no proof that it shows the application's health. */
function writePage(draft: YamlWriter, page: string): void {
  draft.comment(
    'This page answered 200 without a new session as this file was written. Where another page says more about the health of the application, ask for that one.',
    2,
  );
  draft.yaml('  probe:', `    http: { url: ${scalar(page)} }`);
}

const RIGHT =
  'A sidecar that is not root needs the right to do so (deploy/polkit/50-lastcall.rules names the unit); that it has it is asked before a drain begins.';
const UNTIL =
  'Until then `drain` and `ready` work, and `stop` and `restart` refuse (78): they have nothing to stop by.';

function writeOwner(draft: YamlWriter, { application: { owner }, hasSystemd }: Facts): void {
  if (owner.kind === 'unit') {
    draft.comment(
      `The process that listens (${owner.program}) belongs to this unit: \`stop\` and \`restart\` stop it once no user is left. ${RIGHT}`,
      2,
    );
    draft.yaml(`  start: { systemd: ${scalar(owner.unit)} }`, `  stop: { systemd: ${scalar(owner.unit)} }`);
    return;
  }
  draft.edit(`how is the application stopped and started? ${reasonFor(owner)} ${UNTIL}`, 2);
  draft.choice(2, ...choicesFor(owner, hasSystemd));
}

/** Why no unit was written. */
function reasonFor(owner: Exclude<PortOwner, { readonly kind: 'unit' }>): string {
  switch (owner.kind) {
    case 'front':
      return `${owner.program}${owner.unit === null ? '' : ` (${owner.unit})`} listens at its port. If it only hands requests on, name the unit of the application behind it: to stop ${owner.program} would leave the application running with its sessions.`;
    case 'container':
      return `Its port belongs to a container (${owner.program}); name that container.`;
    case 'socket-activated':
      return 'systemd itself holds its socket (a .socket unit), so that the next connection starts it again: its .socket has to stop with it.';
    case 'user-unit':
      return `${owner.program} belongs to ${owner.unit} of a user's own systemd, which the system's does not know.`;
    case 'several':
      return `Processes of several units listen at its port: ${owner.units.join(', ')}.`;
    case 'shared':
      return `${owner.program} listens at its port and belongs to ${owner.unit}, which runs other servers too (${shortList(owner.others)}): to stop that unit would cut their users.`;
    case 'supervised':
      return `${owner.program} listens at its port and belongs to ${owner.unit}, in which ${owner.supervisor} runs it and may run others: to stop that unit would cut their users, and ${owner.supervisor} starts anew what ends by itself. Name the program of ${owner.supervisor}.`;
    case 'unknown':
      return `${owner.program} listens at its port and belongs to ${owner.unit}, and init does not know this program: if that unit runs nothing else, name it.`;
    case 'no-unit':
      return `${owner.program} listens at its port and belongs to no unit of systemd.`;
    case 'hidden':
      return `This user may not see which process listens at its port (of user id ${owner.users.join(', ')}); \`init\` as root shows it.`;
    case 'closed':
      return 'Nothing listens at its port now, so its unit cannot be seen.';
    case 'elsewhere':
      return 'HAProxy shows no address of this machine for it. lastcall has to run beside the application, on its machine: `init` there shows the unit.';
  }
}

function choicesFor(
  owner: Exclude<PortOwner, { readonly kind: 'unit' }>,
  hasSystemd: boolean,
): readonly string[] {
  if (owner.kind === 'container')
    return [
      'stop: { docker: { container: app } } # its name or id; podman: `socket: /run/podman/podman.sock` besides',
      'start: { command: [docker, start, app] }',
    ];
  if (owner.kind === 'supervised') return supervisedChoices(owner.supervisor, owner.port);
  const hint = hintOf(owner);
  if (hint !== null) return [`start: { systemd: ${scalar(hint)} }`, `stop: { systemd: ${scalar(hint)} }`];
  const unit = ['start: { systemd: app.service }', 'stop: { systemd: app.service }'];
  return [
    // Of an application elsewhere this machine is no measure.
    ...(hasSystemd || owner.kind === 'elsewhere' ? unit : []),
    `${hasSystemd ? 'Without a unit: ' : ''}SIGTERM to the process of its pid file, and a program that starts it.`,
    'stop: { signal: { pidFile: /run/app.pid } }',
    'start: { command: [/opt/app/bin/start.sh] }',
    'Or as the main process of its container: `lastcall run -- COMMAND` starts and stops it, with neither of the two.',
  ];
}

const SUPERVISORCTL = {
  of: 'supervisord',
  program: 'supervisorctl',
  target: 'app',
  start: 'start',
  stop: 'stop',
};
const CONTROLS = [
  { of: 'pm2', program: 'pm2', target: 'app', start: 'start', stop: 'stop' },
  { of: 'runsv', program: 'sv', target: 'app', start: 'start', stop: 'stop' },
  // Its options come before the directory of the service.
  { of: 's6', program: 's6-svc', target: '/run/service/app', start: '-u', stop: '-d' },
];

/** How each supervisor stops one program; what proves that it has ended is its port. */
function supervisedChoices(supervisor: string, port: number): readonly string[] {
  const { program, target, start, stop } =
    CONTROLS.find(({ of }) => supervisor.startsWith(of)) ?? SUPERVISORCTL;
  return [
    `start: { command: [${program}, ${start}, ${target}] } # its name there`,
    `stop: { command: [${program}, ${stop}, ${target}], gone: { port: ${port} } }`,
  ];
}

/** The unit that an operator most likely means; a service alone can be named. */
function hintOf(owner: PortOwner): string | null {
  const units =
    owner.kind === 'hidden' || owner.kind === 'several'
      ? owner.units
      : owner.kind === 'unknown' || (owner.kind === 'front' && owner.unit !== null)
        ? [owner.unit ?? '']
        : [];
  const [only, ...more] = units.filter((unit) => unit.endsWith('.service'));
  return only !== undefined && more.length === 0 ? only : null;
}
