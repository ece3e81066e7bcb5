import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { operate } from './engine/operate.ts';
import type { Balancer } from './balancers/balancer.ts';
import { createRuntimeBalancer } from './balancers/runtime-api/driver.ts';
import type { DoctorRequest, DoctorSetup } from './cli/ports.ts';
import { composeEngine, type World } from './compose.ts';
import type { Config, HaproxyConfig } from './config/config.ts';
import { createClient } from './control/client.ts';
import { directConfig } from './direct-config.ts';
import { driversOf, targetsOf } from './drivers.ts';
import { diagnose } from './doctor/diagnose.ts';
import type { Diagnosis } from './doctor/diagnosis.ts';
import type { Examination, HaproxyExamined, Objections, ProbeExamined } from './doctor/examination.ts';
import { parseHaproxyFile, type HaproxyFile } from './doctor/haproxy-file/file.ts';
import { readAbout, readHaproxy } from './doctor/read/haproxy.ts';
import { readOwnChecks } from './doctor/read/own-checks.ts';
import { readUnit } from './doctor/read/unit.ts';
import { whyNoDump } from './doctor/read/state-dump.ts';
import { attempt, attemptSidecar, NO_SIDECAR, type Readout } from './doctor/readout.ts';
import type { Journal } from './journal/journal.ts';
import { OWN_TERMS } from './lifecycle/model/policy.ts';
import { isInRotation } from './lifecycle/model/phase.ts';
import type { Survey } from './lifecycle/model/survey.ts';
import { createProbe } from './probes/create.ts';
import { readHostServers } from './examine-ports.ts';
import { createSources } from './sessions/create.ts';
import { createStarter } from './app/command-starter.ts';
import type { Stopper } from './app/contracts.ts';
import { createStopper } from './app/create.ts';
import { createPidFileRecords } from './app/pid-file-record.ts';
import { LastcallError } from './system/error.ts';
import { bootId } from './system/process.ts';
import { randomId } from './system/random-id.ts';
import { userName } from './system/user-name.ts';
import { readLock, whyUnwritable } from './examine-rights.ts';
import { drainOnTrial } from './trial-drain.ts';

/**
 * `lastcall doctor`: reads the live setup once, by the drivers that an operation would use and with the rights of this
 * process, and judges what it has read. It writes nothing anywhere, but for a trial drain that is asked for (`--live`).
 */

/** The deadline of one look at one HAProxy. */
const LOOK_MS = 2_000;
const SIDECAR_UNIT = 'lastcall.service';
const NO_FILE = { ok: false, why: 'no file names a sidecar', code: NO_SIDECAR } as const;

/**
 * @throws LastcallError `config` for what only the drivers can check (an invalid URL)
 */
export async function examine(request: DoctorRequest, world: World): Promise<Diagnosis> {
  const { live, setup } = request;
  const examined = await readExamination({ ...request, ...nodeOf(setup) }, world);
  const proof = live === null ? null : await drainOnTrial(examined, live, world);
  return diagnose(examined, proof);
}

/** Of what flags say a whole configuration is made, as direct mode does it; the node is called by its servers. */
function nodeOf(setup: DoctorSetup): Pick<Examination, 'config' | 'isDirect'> {
  if (setup.kind === 'file') return { config: setup.config, isDirect: false };
  const { options, ignoreServers } = setup;
  const config = { ...directConfig(options), node: options.servers.join(', '), ignoreServers };
  return { config, isDirect: true };
}

type Examined = Pick<DoctorRequest, 'haproxyFile' | 'env'> & Pick<Examination, 'config' | 'isDirect'>;

/** Reads all at once; each reading has a deadline of its own. @throws LastcallError as `examine` */
export async function readExamination(
  { config, isDirect, haproxyFile, env }: Examined,
  world: World,
): Promise<Examination> {
  const { signal } = new AbortController();
  const units = { clock: world.clock, searchPath: world.searchPath };
  const unit = unitOf(config);
  const file = haproxyFile === null ? null : await attempt(() => readFileOf(haproxyFile));
  const [haproxies, sources, probe, app, sidecar, state, lock, sidecarUnit, appUnit] = await Promise.all([
    readHaproxies(config, world, signal),
    readSources(config, world, signal),
    readProbe(config, world, signal),
    readApp(config, world, signal),
    isDirect
      ? NO_FILE
      : attemptSidecar(() => createClient(config.listen.control.path, world.clock).status(signal)),
    isDirect ? null : whyUnwritable(dirname(config.state)),
    readLock(config, world, signal),
    isDirect ? NO_FILE : attempt(() => readUnit(SIDECAR_UNIT, units, signal)),
    unit === null ? null : attempt(() => readUnit(unit, units, signal)),
  ]);
  const { stopper, ...examinedApp } = app;
  const sameProcess = { stopper, stop: config.app.stop, clock: world.clock };
  return {
    config,
    isDirect,
    haproxies,
    hostServers: await readHostServers(haproxies, sameProcess, signal),
    sources,
    probe,
    ...examinedApp,
    trial:
      notTried(haproxies, sidecar) ??
      (await attempt(() => tryDrain(config, examinedApp.stop?.ok === true, world))),
    appUnit,
    sidecarUnit,
    sidecar,
    state,
    lock,
    file,
    ownChecks: await readOwnChecks(file, haproxies, { clock: world.clock, signal }),
    proxies: Object.keys(env).filter((name) => /^(https?|all)_proxy$/i.test(name) && env[name] !== ''),
    user: userName(),
  };
}

/** @returns why no dry run can show anything; null = it is to be tried */
function notTried(
  haproxies: readonly HaproxyExamined[],
  sidecar: Examination['sidecar'],
): Extract<Readout<Objections>, { readonly ok: false }> | null {
  if (sidecar.ok && !isInRotation(sidecar.value.phase)) {
    const why = `the node is out by lastcall itself (phase ${sidecar.value.phase}): its checks were not asked`;
    return { ok: false, why, code: 'busy' };
  }
  const [first, ...more] = haproxies.map(({ about }) => about);
  return first?.ok === false && more.every(({ ok }) => !ok) ? first : null;
}

/** Where a tool of the system names the application, it is asked about it. */
function unitOf({ app: { stop, start } }: Config): string | null {
  if (stop?.kind === 'systemd') return stop.unit;
  return start !== null && 'unit' in start ? start.unit : null;
}

async function readFileOf(path: string): Promise<HaproxyFile> {
  return parseHaproxyFile(path, await readFile(path, 'utf8'));
}

function readHaproxies(config: Config, world: World, signal: AbortSignal): Promise<HaproxyExamined[]> {
  const ports = { clock: world.clock, signal };
  const configs = config.balancers.filter((balancer) => balancer.kind === 'haproxy');
  return Promise.all(
    configs.map(async (balancer): Promise<HaproxyExamined> => {
      const about = await readAbout(balancer, ports);
      // A HAProxy that did not answer would not answer further questions either, each after its whole deadline.
      if (!about.ok)
        return {
          config: balancer,
          about,
          master: null,
          servers: about,
          look: about,
          survey: about,
          tables: about,
          noDump: null,
        };
      const driver = readOnly(balancer, world);
      const look = await attempt(() => driver.look(signal));
      const survey = await attempt(() => driver.survey(signal));
      const tables = tablesOf(config, balancer, survey);
      return {
        config: balancer,
        about,
        look,
        survey,
        noDump: await whyNoDump(balancer, about, world.clock.wall()),
        ...(await readHaproxy(balancer, about, tables, ports)),
      };
    }),
  );
}

/** The stick tables that may bind users of this node. */
function tablesOf({ sessions }: Config, { servers }: HaproxyConfig, survey: Readout<Survey>): string[] {
  const facts = survey.ok ? survey.value.facts : [];
  return [
    ...facts.map(({ sticky }) => sticky?.replace(/^stick table /, '') ?? ''),
    ...servers.map((name) => name.split('/', 1)[0] ?? ''),
    ...sessions.flatMap((source) => (source.kind === 'stickTable' ? [source.table] : [])),
  ];
}

/** Reading is possible below the level that writing needs. */
function readOnly(balancer: HaproxyConfig, { clock }: World): Balancer {
  return createRuntimeBalancer({ ...balancer, timeoutMs: LOOK_MS, readOnly: true }, { clock });
}

function readSources(config: Config, { clock }: World, signal: AbortSignal): Promise<Examination['sources']> {
  const sources = createSources(config.sessions, {
    clock,
    targets: targetsOf(config, clock),
    onWarning: () => undefined,
  });
  return Promise.all(
    sources.map(async (source) => ({
      name: source.name,
      kind: source.kind,
      count: await attempt(() => source.count(signal)),
    })),
  );
}

async function readProbe(
  { app }: Config,
  { clock }: World,
  signal: AbortSignal,
): Promise<Examination['probe']> {
  if (app.probe === null) return null;
  const warnings: string[] = [];
  const probe = createProbe(app.probe, { clock, onWarning: (text) => warnings.push(text) });
  return attempt(async (): Promise<ProbeExamined> => ({ answer: await probe.ask(signal), warnings }));
}

type AppExamined = Pick<Examination, 'stop' | 'start' | 'isAppGone'> & { readonly stopper: Stopper | null };

async function readApp(
  { app }: Config,
  { clock, searchPath }: World,
  signal: AbortSignal,
): Promise<AppExamined> {
  const pidFiles = createPidFileRecords(bootId());
  const stopper =
    app.stop && createStopper(app.stop, { clock, searchPath, pidFiles, appPorts: async () => [] });
  const starter = app.start && createStarter(app.start, { clock, searchPath });
  const stop = stopper && (await attempt(() => stopper.check(signal)));
  const start = starter && (await attempt(() => starter.check(signal)));
  return { stopper, stop, start, isAppGone: stop?.ok === false && stopper?.gone(null) === 'gone' };
}

/** The promises of the record are the sidecar's. */
const NO_JOURNAL: Journal = { load: async () => ({ kind: 'none' }), save: async () => undefined };

/**
 * A dry run in this process: every check of an operation, and nothing changed. Each HAProxy is only read, so that no level is
 * needed; what polls us does not poll this process, and is left out; the pool and its lock are asked apart from it.
 * @param canStop a stop is tried, else a drain: a stop that cannot run would be refused before all else
 * @throws LastcallError as the operation is refused where it could not ask
 */
async function tryDrain(config: Config, canStop: boolean, world: World): Promise<Objections> {
  const { drain } = config;
  const listed = config.balancers.filter((balancer) => balancer.kind === 'haproxy');
  if (listed.length === 0)
    throw new LastcallError('failed', 'every balancer only polls the sidecar, and none can be asked');
  const balancers = listed.map((balancer) => readOnly(balancer, world));
  const alone: Config = {
    ...config,
    // What is found in MAINT is no application of ours that is to come.
    adopt: false,
    balancers: listed,
    pool: null,
    lock: null,
    drain: { ...drain, gate: null, warn: [] },
  };
  const parts = { journal: NO_JOURNAL, balancers, child: null, direct: true };
  const engine = composeEngine(alone, parts, driversOf(alone, parts, world), world);
  try {
    await engine.start();
    const kind = canStop ? 'stop' : 'drain';
    const about = { id: randomId(), kind, reason: 'doctor', by: 'doctor' } as const;
    const { objections, code, message } = await operate(engine, { ...OWN_TERMS, ...about, dryRun: true });
    if (objections !== undefined) return objections;
    throw new LastcallError(code, message ?? `the dry run ended with ${code}`);
  } finally {
    await engine.close();
  }
}
