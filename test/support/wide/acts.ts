import { type Asked, type Deed, PLAIN, type Plain } from './deeds.ts';
import { peek } from './peek.ts';
import type { Stage } from './world.ts';
import { neighbour } from './neighbour.ts';
import {
  type At,
  boot,
  killHolder,
  loseHolder,
  newer,
  reconfigure,
  renameHolder,
  revive,
} from './restarts.ts';

/** The last request of every campaign. */
export const lastStop: Asked = {
  kind: 'stop',
  reason: 'the last one',
  by: 'test',
  timeoutMs: 45_000,
  onTimeout: 'restore',
  expiresMs: null,
  force: true,
  fence: true,
  dryRun: false,
  isShutdown: false,
};

/** Does it to the world. `index` makes its ids. */
export function act(stage: Stage, deed: Deed, index: number): void {
  const { nodes, lbs, verdicts } = stage;
  const node = nodes[deed.which % nodes.length];
  const lb = lbs[deed.which % lbs.length];
  const own = lb?.servers.filter((server) => server.node === node?.index && server.listed) ?? [];
  const server = own[deed.which % Math.max(1, own.length)];
  if (!node || !lb || !server) return;
  stage.coverage.meet(`deed ${deed.do === 'submit' ? deed.request.kind : deed.do}`);
  if (deed.do !== 'submit') verdicts.note(`-- ${JSON.stringify({ ...deed, after: undefined })}`);
  const at: At = { stage, node, lb, server, index, which: deed.which };
  return isPlain(deed) ? plainly(at, deed.do) : shaped(at, deed);
}

type Shaped = Exclude<Deed, { do: Plain }>;

function shaped(at: At, deed: Shaped): void {
  const { stage, node, lb, server, index } = at;
  const { nodes, lbs, time } = stage;
  switch (deed.do) {
    case 'submit': {
      const whose = deed.everywhere === true ? nodes : [node];
      for (const one of whose) one.submit({ ...deed.request, id: `r${index}-${one.index}` });
      return;
    }
    case 'operator':
      if (lb.line.mode === 'answers' && !lb.polls) lb.set(server.name, deed.admin, 'operator');
      return;
    case 'weigh':
      if (lb.line.mode === 'answers' && !lb.polls) lb.weigh(server.name, deed.weight, 'operator');
      return;
    case 'reload':
      return reload(at, deed.keepsState);
    case 'restart':
      lb.restart(true, deed.keepsState);
      return hearAgain(at);
    case 'crash':
      node.crash();
      if (deed.revives === true) revive(at);
      if (deed.leak) leak(at);
      time.advance(deed.awayMs);
      return boot(at);
    case 'mode':
      return lb.line.setMode(deed.mode);
    case 'cover':
      server.touchedAt = time.now;
      server.over = server.over === null && !lb.polls ? deed.over : null;
      return;
    case 'others':
      for (const one of lbs) Object.assign(one, { others: deed.others, othersSince: time.now });
      return;
    case 'start-mode':
      node.app.start = deed.start;
      return;
    case 'stop-mode':
      node.app.stop = deed.stop;
      return;
    case 'reboot-mode':
      node.app.reboot = deed.reboot;
      return;
    case 'power-cut':
      return node.powerCycle(deed.starts);
    case 'neighbour':
      return neighbour(stage, deed.to);
    case 'linger':
      return stage.people.click(deed.which, deed.lastsMs);
    default:
      return deed satisfies never;
  }
}

function isPlain(deed: Deed): deed is Extract<Deed, { do: Plain }> {
  return PLAIN.some((name) => name === deed.do);
}

function plainly(at: At, what: Plain): void {
  const { stage, node, lb, which } = at;
  const { people, time, failing, lock } = stage;
  const { app } = node;
  switch (what) {
    case 'cancel':
      return node.cancel(peek(node.state).op?.id ?? 'none');
    case 'cancel-any': {
      const { op, waiting } = peek(node.state);
      const ids = [...(op?.tickets ?? []), ...waiting];
      return node.cancel(ids[which % Math.max(1, ids.length)] ?? 'none');
    }
    case 'signal':
      return signal(at);
    case 'visit':
      return people.visit();
    case 'click':
      return people.click(which);
    case 'leave':
      return people.leave(which);
    case 'enqueue':
      return people.enqueue(which);
    case 'slip':
      lb.slips = true;
      return;
    case 'die':
      // Under `run -- COMMAND` the sidecar ends with its child.
      return node.policy.supervises ? undefined : app.end();
    case 'revive':
      return app.spawn(app.start);
    case 'swap':
    case 'swap-unnoticed':
      if (!app.main || node.policy.supervises) return;
      app.end();
      return app.spawn(app.start === 'fails' ? 'works' : app.start, what === 'swap');
    case 'reexec':
      return node.policy.supervises ? undefined : app.reexec();
    case 'source':
      return toggle(failing, node.policy.sources[which % Math.max(1, node.policy.sources.length)]);
    case 'telling':
      lb.telling = !lb.telling;
      return;
    case 'deny':
      lb.denies = !lb.denies;
      return;
    case 'master':
      lb.masterAnswers = !lb.masterAnswers;
      return;
    case 'disk':
      node.disk.failing = !node.disk.failing;
      return;
    case 'leak':
      return leak(at);
    case 'snapshot':
      return lb.snapshot();
    case 'clock':
      app.clockStepped = app.main !== null;
      return;
    case 'sign-out':
      return signOut(at);
    case 'reconfigure':
      return reconfigure(at);
    case 'container':
      node.crash();
      app.end();
      time.advance(50);
      return boot(at);
    case 'newer':
      return newer(at);
    case 'lock':
      lock.down = lock.down === null ? 'the lock does not answer' : null;
      return;
    case 'slow-lock':
      lock.isSlow = !lock.isSlow;
      return;
    case 'kill-holder':
      return killHolder(at);
    case 'rename-holder':
      return renameHolder(at);
    case 'lose-holder':
      return loseHolder(at);
    case 'ail':
      return app.healthy ? app.ail() : app.heal();
    case 'free':
      stage.freedAt.set(node.index, time.now);
      lock.free(node.policy.node);
      return;
    case 'line':
      if (lb.polls) return;
      lb.reload(false);
      at.server.touchedAt = at.stage.time.now;
      at.server.absent = !at.server.absent;
      return;
    default:
      return what satisfies never;
  }
}

function toggle(all: Set<string>, one: string | undefined): void {
  if (one !== undefined && !all.delete(one)) all.add(one);
}

/** Two intervals of the prober, and its answer. */
const SEEN_MS = 5_000;

/** The level changes; one that was let go for less than the probe takes to see it has stood all the time. */
function signOut({ stage: { time }, node: { app } }: At): void {
  if (!app.main) return;
  if (app.signedOutAt !== null) {
    app.lastSignOut = { since: app.signedOutAt, until: time.now };
    app.signedOutAt = null;
    return;
  }
  const { since = time.now, until = -Infinity } = app.lastSignOut ?? {};
  app.signedOutAt = time.now - until < SEEN_MS ? since : time.now;
}

function reload(at: At, keepsState: boolean): void {
  at.lb.reload(keepsState);
  hearAgain(at);
}

/** A poller's balancer hears the word again with its next poll: a level, not an edge. */
function hearAgain({ stage, lb }: At): void {
  if (!lb.polls) return;
  stage.time.after(stage.time.between(0, 1_000), () => {
    for (const { name } of lb.servers) lb.set(name, lb.told.get(name) ?? 'ready', 'us');
  });
}

/** A reload that forgets everything, and a user who comes right after it. */
function leak(at: At): void {
  reload(at, false);
  at.stage.people.visit(at);
}

/** SIGTERM, and every further one, under `run -- COMMAND`. */
function signal({ node, index }: At): void {
  if (!node.policy.supervises || !node.running) return;
  const asked = [...(peek(node.state).op?.tickets ?? []), ...peek(node.state).waiting];
  if (asked.some((id) => id.startsWith('signal'))) return node.secondSignal();
  node.submit({
    ...lastStop,
    id: `signal${index}`,
    by: 'signal',
    reason: 'SIGTERM',
    timeoutMs: null,
    onTimeout: 'force',
    force: false,
    isShutdown: true,
  });
}
