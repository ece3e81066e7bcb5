// Part of `npm run check`: the language of comments and names. node test/language.mjs [ROOT]
//
// A comment says who acts: a user, an operator, a process, a poller, a caller, a source. Words that leave it open may
// stand in fewer than 8 of 1,000 comment lines, and in no title of a test. And names that were given up for those of agent/GLOSSARY.md stay gone.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const ROOT = process.argv[2] ?? join(import.meta.dirname, '..');
const FOLDERS = ['agent', 'test', 'deploy', 'haproxy'];
const LIMIT = 8;

const PERSON =
  /(?<![-\w])(?:whoever|whom|whomever|somebody|someone|nobody|everybody|everyone|anybody|anyone)\b/gi;
/** `Who has gone is not counted.`: a sentence about a person that is not named; a question ends with a mark. */
const FREE_WHO = /(?:^|[.:;] )who (?!is who\b)[^.:;?]*(?=[.:;]|$)/gi;

/** A title of a test: the first text in a call of `test`, of `describe`, or of what their `each` returns. */
const TITLE =
  /(?:\b(?:test|describe)(?:\.\w+)*|\))\(\s*(?:'((?:\\.|[^'\\\n])*)'|"((?:\\.|[^"\\\n])*)"|`((?:\\.|[^`\\])*)`),\s*(?:async\b|\()/g;
/** Titles name who acts and what is written, answered or reported: none of these words may stand in one. */
const UNCLEAR_IN_TITLE =
  /(?<![-\w])(?:told|whoever|whomever|somebody|someone|nobody|everybody|everyone|anybody|anyone|he|him|his|himself)\b/gi;

/** Parts of names: refused wherever a name has them, as in `createDesk`. Add one with the renaming that ends it. */
const OLD_PARTS = {
  custody: 'table completeness',
  desk: 'a request tracker, an announcer, a driver context, a local client, a target',
  glance: 'readRow',
  glimpse: 'a server reading',
  lookout: 'a forecaster',
  notebook: 'a launch store',
  outings: 'source tuning (one outing of the node is an outing)',
};
/** Whole names of the code. */
const OLD_NAMES = {
  Ask: 'SendCommand or the narrower one',
  askAll: 'pollAll',
  askHolding: 'fetchConnections',
  assertWanted: 'reconcile',
  Cadence: 'ScanBudget',
  Channel: 'Subscription',
  Chosen: 'ParsedCommand',
  askRemains: 'checkUnprovenEnd',
  whatRemains: 'unprovenEndReason',
  createCore: 'createLifecycleRunner',
  createStandIn: 'createSubstitute',
  FileDraft: 'YamlWriter',
  StandIn: 'SidecarSubstitute',
  climb: 'runDueWarnings',
  conclude: 'endOperation',
  converseAtLength: 'openInteractive',
  createLiving: 'createLiveLine',
  createPolled: 'createPollOnly',
  createSilence: 'createNoProgress',
  cutAfter: 'truncated',
  disobeyed: 'anyIgnored',
  endWords: 'forecastText',
  epochAt: 'epochStartedAt',
  factsOf: 'preflightFacts',
  givenUp: 'startAfterAbort',
  goneByName: 'namedProcessGone',
  GROWN_UP_MS: 'MIN_RESYNC_AGE_MS',
  Held: 'WorkerCounts',
  Holding: 'ConnectionReport',
  holdingLines: 'connectionTable',
  holdingWords: 'connectionSummary',
  hurried: 'forceRequested',
  intend: 'setIntent',
  isInhabited: 'hasMembers',
  isLiving: 'isRunning',
  isProofMissed: 'needsProcessLookup',
  Kept: 'PersistedFile or CapturedOutput',
  Launches: 'LaunchRecord',
  Leader: 'GroupLeader',
  leftOf: 'remaining',
  LESSON_SECONDS: 'RESYNC_TIMEOUT_S',
  Life: 'ProcessHandle',
  Lines: 'Connections',
  lookAgain: 'recheckFence',
  lookBack: 'countOldWorkers',
  lookBackOrFail: 'countOldWorkersOrThrow',
  missedAt: 'lostAt',
  Nearing: 'DeadlineWarning',
  nextRungs: 'nextWarningTimes',
  nextWake: 'nextDeadline',
  OpenLine: 'InteractiveConnection',
  Outlook: 'Forecast',
  ownStanding: 'defaultAnswer',
  Polled: 'PollOnlyBalancer',
  quietByHand: 'quietExplicit',
  requireFronts: 'requireTargets',
  Rest: 'IdleTime',
  restOf: 'idleTime',
  rhythm: 'closingSchedule',
  Round: 'BalancerConnections',
  sayReady: 'beginReturn',
  seeAlive: 'noteAppAlive',
  tablesStick: 'findStickTable',
  Talk: 'DeadlineClient',
  TELL_MS: 'ACK_TIMEOUT_MS',
  tellDisagreement: 'warnMismatch',
  TOLD_TWICE: 'REQUIRED_ACKS',
  Tools: 'EffectPorts',
  toRequest: 'parseRequest',
  Trouble: 'ConnectError',
  Turn: 'Draft',
  Turns: 'Mutex',
  unlessGone: 'unlessWorkerEnded',
  usersOf: 'userSessions',
  wasTaught: 'wasResynced',
  Watcher: 'ProgressListener',
  watchForeign: 'watchProcess',
  Whereabouts: 'SocketLookup',
  wholeNumber: 'parseCount',
  withHeld: 'addCounts',
  Words: 'RequestBody',
  allConfirmed: 'allInSync',
  onLooked: 'onPolled',
  onSaid: 'onServerSet',
  WishKind: 'OwnRequestKind',
  giveWay: 'preemptReturn',
  insist: 'isShutdown',
  lastLook: 'finalCheck',
  maintAround: 'foreignMaint',
  operatorReady: 'readyTakesOver',
  rung: 'warningIndex, in its own file index',
  stopRepeatable: 'stopIsIdempotent',
  tidy: 'releaseServers',
  WishJudge: 'IntentJudge',
  WordJudge: 'WriteJudge',
  WeightWish: 'WeightRequest',
  Ending: 'Shutdown',
  createOurs: 'createSupervisedChild',
  hearAsParent: 'handleSignalsAsParent',
  nursery: 'privateDir',
  gently: 'onFirst',
  createPatience: 'createOverdueTimer',
  howOf: 'probeKind',
  appointment: 'scheduleEntry',
  wayOf: 'connectionKey',
  endLeft: 'killLeftovers',
  lastWords: 'drainPipes',
  isAnothers: 'isPidReused',
  stateNow: 'getState',
  Past: 'OldWorkersMode',
  busyPatience: 'busyPortRetryMs',
  seeGone: 'untilProbeFails',
  isForNone: 'isWithoutOperation',
  createFirst: 'createTopN',
  Sight: 'LastScan',
  TableTalk: 'TableConnection',
  Pour: 'StreamReply',
  pour: 'streamReply',
  DumpTakers: 'DumpHandlers',
  askedInTurn: 'askExclusively',
  goOverSlot: 'goOnWithoutSlot',
  goesOver: 'onlyWarns',
  heldOpen: 'openForeignDrain',
  bondsOf: 'userBindings',
  signsAgainst: 'evidenceAfterStop',
  tellAbsent: 'alarmAbsentServers',
  tellLost: 'alarmLostServers',
  tellYielding: 'endGuardAlarm',
  ReassertsTold: 'ReassertsReport',
  saidMaint: 'everWroteMaint',
  overWords: 'coverText',
  turnWords: 'slotWaitText',
  shortWords: 'shortageText',
  holderWords: 'holderText',
  heldWords: 'heldText',
  lookalikes: 'overlappingAnswers',
  Walk: 'Visit',
  Spot: 'NodePosition',
  askTurn: 'askForSlot',
  Seat: 'EngineHost',
  Doors: 'Endpoints',
};
/** Files, without their suffix. */
const OLD_FILES = {
  'agent/lifecycle/turn': 'lifecycle/step-draft',
  'agent/lifecycle/view': 'lifecycle/model/observation',
  'agent/lifecycle/operation': 'lifecycle/model/api',
  'agent/lifecycle/running': 'lifecycle/model/operation',
  'agent/lifecycle/install': 'lifecycle/admission/begin',
  'agent/lifecycle/guard': 'lifecycle/admission/checks',
  'agent/lifecycle/plan': 'lifecycle/admission/dry-run',
  'agent/lifecycle/out': 'lifecycle/phases/drain',
  'agent/lifecycle/back': 'lifecycle/phases/return',
  'agent/lifecycle/force': 'lifecycle/phases/force-close',
  'agent/lifecycle/ladder': 'lifecycle/phases/deadline-warnings',
  'agent/lifecycle/recover': 'lifecycle/recovery/recover',
  'agent/lifecycle/servers': 'lifecycle/sync/reconcile',
  'agent/lifecycle/judge': 'lifecycle/sync/ownership',
  'agent/lifecycle/count': 'lifecycle/observed/counts',
  'agent/lifecycle/disagree': 'lifecycle/observed/source-mismatch',
  'agent/lifecycle/pace': 'lifecycle/timing',
  'agent/lifecycle/app': 'lifecycle/phases/app-events',
  'agent/shutdown/': 'agent/app/',
  'agent/control/metrics': 'agent/telemetry/',
  'agent/control/words': 'parse-request',
  'agent/control/wire': 'http-client',
  'agent/engine/desk': 'request-tracker',
  'agent/engine/perform': 'run-effect',
  'agent/engine/outings': 'source-tuning',
  'agent/engine/outlook': 'forecast',
  'agent/balancers/talk': 'deadline-client',
  'agent/balancers/desk': 'announcer',
  'agent/balancers/polled': 'poll-only',
  'agent/balancers/tally': 'poller-acks',
  'agent/balancers/turns': 'system/mutex',
  'agent/haproxy/session': 'interactive',
  'agent/cli/verbs': 'commands',
  'agent/cli/desk': 'local-client',
  'agent/cli/follow': 'wait-for-result',
  'agent/sessions/custody': 'table-completeness',
  'agent/sessions/cadence': 'scan-budget',
  'agent/sessions/front': 'haproxy-target',
  'agent/sessions/number': 'formats/parse-count',
  'agent/app/life': 'process-handle',
  'agent/app/launches': 'launch-record',
  'agent/config/written': 'validators',
  'agent/config/places': 'locate-problems',
  'agent/system/line-file': 'rotating-file',
  'agent/doors': 'endpoints',
  'agent/seat': 'engine-host',
  'agent/engine/work': 'running-effects',
  'agent/engine/see-gone': 'until-probe-fails',
  'agent/cli/seldom': 'rare-commands',
  'agent/cli/persist': 'ask-until-done',
  'agent/sessions/hidden': 'sandbox-mounts',
  'agent/lifecycle/admission/turn': 'slot-request',
  'agent/lifecycle/observed/pool-words': 'pool-text',
  'agent/fleet/turn': 'pool-queue',
  'agent/lifecycle/phases/ask-again': 'repeat-survey',
  'agent/lifecycle/phases/capacity-asks': 'capacity-poll',
  'agent/journal/unanswered': 'silent-disk',
  'test/support/wide/claims': 'ownership-tracker',
  'test/support/wide/judge-wishes': 'judge-intent',
  'test/support/wide/judge-words': 'judge-writes',
  'test/support/world/claims': 'ownership-invariants',
};

const problems = [];
for (const folder of FOLDERS) {
  const seen = { lines: 0, persons: [] };
  for (const file of filesIn(folder)) check(file, seen);
  const rate = (1000 * seen.persons.length) / Math.max(1, seen.lines);
  if (rate >= LIMIT) {
    problems.push(`${folder}: ${rate.toFixed(1)} of 1,000 comment lines leave open who acts; below ${LIMIT}`);
    problems.push(...seen.persons);
  }
}
process.stdout.write(problems.map((problem) => `${problem}\n`).join(''));
process.exitCode = problems.length === 0 ? 0 : 1;

function check(file, seen) {
  const named = Object.keys(OLD_FILES).find(
    (old) => file.startsWith(old) && (old.endsWith('/') || /^(?:\.|$)/.test(file.slice(old.length))),
  );
  if (named !== undefined) problems.push(`${file}: is called ${OLD_FILES[named]} now`);
  const { code, comments } = split(readFileSync(join(ROOT, file), 'utf8'), file);
  for (const [index, text] of comments) {
    seen.lines++;
    const plain = text.replaceAll(/`[^`]*`/g, '');
    const found = [...plain.matchAll(PERSON), ...plain.matchAll(FREE_WHO)];
    for (const [what] of found) seen.persons.push(`  ${file}:${index + 1} ${what.trim().slice(0, 40)}`);
  }
  if (file.endsWith('.ts') && file.startsWith('test/') && file !== 'test/language.test.ts')
    checkTitles(file, readFileSync(join(ROOT, file), 'utf8'));
  // This file names what is refused.
  if (!/\.(?:ts|mjs)$/.test(file) || basename(file) === 'language.mjs') return;
  for (const name of new Set(code.match(/[A-Za-z_$][\w$]*/g)))
    for (const [old, now] of oldIn(name)) problems.push(`${file}: ${name}: \`${old}\` is ${now} now`);
}

function checkTitles(file, text) {
  for (const match of text.matchAll(TITLE)) {
    const title = match[1] ?? match[2] ?? match[3];
    const line = text.slice(0, match.index + match[0].indexOf(title)).split('\n').length;
    const found = [...title.replaceAll(/`[^`]*`/g, '').matchAll(UNCLEAR_IN_TITLE)];
    for (const [word] of found)
      problems.push(`${file}:${line} the title leaves open who does what: \`${word}\``);
  }
}

/** The old words of one name, as `Desk` in `createDesk`. */
function oldIn(name) {
  const parts = (name.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? []).map((part) => part.toLowerCase());
  const old = Object.entries(OLD_PARTS).filter(([part]) => parts.includes(part));
  return Object.hasOwn(OLD_NAMES, name) ? [...old, [name, OLD_NAMES[name]]] : old;
}

/** The comment lines of a file with their numbers, and its code without comments and texts. */
function split(text, file) {
  const isScript = /\.(?:ts|mjs)$/.test(file);
  const comments = text
    .split('\n')
    .map((line, index) => [index, line.trim()])
    .filter(([index, line]) => (isScript ? /^(?:\/\/|\/?\*)/.test(line) : index > 0 && line.startsWith('#')))
    .map(([index, line]) => [
      index,
      line.replace(/^(?:\/\*\*?|\*\/|\/\/|\*|#)\s*/, '').replace(/\s*\*\/$/, ''),
    ]);
  const code = isScript
    ? text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/gm, '')
    : '';
  return { code, comments };
}

function filesIn(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return filesIn(path);
    return /\.(?:ts|mjs|sh|cfg|ya?ml|rules|service|conf|target)$/.test(entry.name) ? [path] : [];
  });
}
