import { LEVEL_MUTANTS } from './level-mutants.ts';
import type { Mutant } from './mutant.ts';
import { RAMP_MUTANTS } from './ramp-mutants.ts';
import { SLOT_MUTANTS } from './slot-mutants.ts';
import { REBOOT_MUTANTS } from './reboot-mutants.ts';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'an unknown number of connections counts as zero',
    breaks: 'I7',
    file: 'observed/counts.ts',
    find: '(total === null || count === null ? null : total + count)',
    replace: '(total ?? 0) + (count ?? 0)',
  },
  {
    name: 'MAINT is set over READY as if no user could be there',
    breaks: 'I16',
    file: 'sync/next-write.ts',
    find: "  return isHolding(state) && hold?.admin === 'maint';",
    replace: '  return true;',
  },
  {
    name: 'a state is written before the intent is on disk',
    breaks: 'I8',
    file: 'sync/next-write.ts',
    find: "  if (!isDurable(draft.state) || draft.state.phase === 'recovering') return;\n  reopenTaken(draft);\n  if (!isDurable(draft.state)) return;",
    replace: "  if (draft.state.phase === 'recovering') return;\n  reopenTaken(draft);",
  },
  {
    // That a look takes an operator's state for ours breaks nothing by itself: the write names what it may replace.
    name: "after a reload an operator's DRAIN or MAINT counts as ours",
    breaks: 'I2',
    file: 'sync/ownership.ts',
    find: '      possiblyOurs: union(own.possiblyOurs, own.everWritten, [own.found.admin]),',
    replace: "      possiblyOurs: ['ready', 'drain', 'maint'],",
    dims: ['operators', 'forgets'],
  },
  {
    name: 'the fence is raised although the gate has not answered',
    breaks: 'gate',
    file: 'phases/gate.ts',
    find: '  return !policy.hasGate || app.gone || gate.is === is;',
    replace: '  return true;',
  },
  {
    name: 'the users that a source counts are left out',
    breaks: 'I1',
    file: 'observed/counts.ts',
    find: '  const users = state.app.gone ? [] : policy.sources.map((name) => sourceCount(state, name, since));\n  const counts = [...connections, ...users];',
    replace: '  const counts = [...connections];',
  },
  {
    name: 'a user behind the fence is seen, and the stop goes on',
    breaks: 'I1',
    file: 'phases/fence.ts',
    find: "  if (count === 'some') return 'occupied';",
    replace: "  if (count === 'some') return 'clear';",
  },
  {
    name: 'a node that is out is taken for serving after a crash',
    breaks: 'I3',
    file: 'recovery/recover.ts',
    find: "  if (state.outing === null || PHASES[to].place === 'rotation') return enterPhase(draft, 'serving');",
    replace: "  if (state.outing !== null) return enterPhase(draft, 'serving');",
  },
  {
    name: 'a state that a reload has removed is not set again',
    breaks: 'I3',
    file: 'sync/next-write.ts',
    find: '  if (held !== null || inSync || write.underWay !== null) return false;',
    replace:
      '  if (held !== null || inSync || write.answeredAt > 0 || write.underWay !== null) return false;',
  },
  {
    name: 'READY is put back in place of the MAINT that was found',
    breaks: 'I4',
    file: 'model/desired.ts',
    find: '      return foreign === null ? found.admin : null;',
    replace: "      return foreign === null ? 'ready' : null;",
  },
  {
    name: 'a stop command is repeated after a crash',
    breaks: 'I6',
    file: 'recovery/recover.ts',
    find: '  if (draft.policy.stopIsIdempotent) {',
    replace: '  if (draft.policy.canStop) {',
    dims: ['early-stop'],
  },
  {
    name: 'a balancer that cannot be asked is known by its last look',
    breaks: 'I7',
    file: 'observed/counts.ts',
    find: '  return balancer.error === null && balancer.look !== null && balancer.startedAt >= since;',
    replace: '  return balancer.look !== null && balancer.startedAt >= -since;',
  },
  {
    name: 'a request is installed before the disk holds its record',
    breaks: 'I8',
    file: 'admission/proposal.ts',
    find: "  if (pending?.kind === 'install' && pending.record !== null && saved >= draft.state.save)",
    replace: "  if (pending?.kind === 'install' && (pending.record !== null || saved >= draft.state.save))",
  },
  {
    name: 'READY is set while the node is stopped',
    breaks: 'I9',
    file: 'phases/return.ts',
    find: "  setIntent(draft, 'returning', { app: { ...app, gone: false }, outing: { level: 'ready' } });",
    replace: "  setIntent(draft, 'stopped', { app: { ...app, gone: false }, outing: { level: 'ready' } });",
  },
  {
    name: 'the guard is not asked before DRAIN',
    breaks: 'I11',
    file: 'admission/checks.ts',
    find: '    if (others === null || others < policy.keep) return short(draft, candidate, one, others);',
    replace: '    if (others === null || others < 0) return short(draft, candidate, one, others);',
  },
  {
    name: 'the fence counts although a server was not seen in it',
    breaks: 'I12',
    file: 'phases/fence.ts',
    find: '  const isFenceSeen = allInSync(policy, state) && unfenced(policy, state) === null;',
    replace: '  const isFenceSeen = true;',
  },
  {
    name: 'the stop goes to a process that was not proven',
    breaks: 'I13',
    file: 'admission/begin.ts',
    find: '      patch(draft, { app: { ...draft.state.app, proof: candidate.proof } });',
    replace:
      "      patch(draft, { app: { ...draft.state.app, proof: candidate.proof && { pid: 1, startTime: '1' } } });",
  },
  {
    name: 'an operation has no deadline',
    breaks: 'I14',
    file: 'phases/drain.ts',
    find: '  if (!op || draft.at < op.deadline) return false;',
    replace: '  if (!op || draft.at < op.deadline + 1e9) return false;',
  },
  {
    name: 'READY over the fence waits for no probe',
    breaks: 'I15',
    file: 'observed/health.ts',
    find: '  return isHealthy({ policy, state }) || !wasFenced(state);',
    replace: '  return isHealthy({ policy, state }) || wasFenced(state) || true;',
  },
  {
    name: "what was known of the application's health before the way back counts",
    breaks: 'I15',
    file: 'observed/health.ts',
    find: "  emit(draft, { type: 'reset-probe' });\n  patch(draft, { health: 'unknown', healthReason: null });",
    replace: '  patch(draft, {});',
  },
  {
    name: 'a server that the configuration gained is not taken in',
    breaks: 'I17',
    file: 'recovery/recover.ts',
    find: '  const next = takeGained(draft, to);',
    replace: '  const next = to;',
  },
  {
    name: 'a server that the configuration lost raises no alarm',
    breaks: 'I17',
    file: 'sync/lost-servers.ts',
    find: '    alarm(draft, subject(balancerName, name), `${left(balancerName, name, server)}; ${end}`);',
    replace:
      "    alarm(draft, subject(balancerName, name), end === '' ? left(balancerName, name, server) : null);",
  },
  {
    name: 'a hold refuses no request',
    breaks: 'I18',
    file: 'phases/hold.ts',
    find: "  if (!hold || kind === 'hold' || kind === 'release' || isShutdown || force) return false;",
    replace:
      "  if (hold || kind === 'hold' || kind === 'release' || isShutdown || force) return false;\n  if (!hold) return false;",
  },
  {
    name: 'a hold does not outrank what was found',
    breaks: 'I18',
    file: 'model/desired.ts',
    find: '  return hold !== null && op === null;',
    replace: '  return hold !== null && op !== null;',
  },
  {
    name: "an operator's drain ends with the container",
    breaks: 'I19',
    file: 'recovery/recover.ts',
    find: '  const staysOut = hold !== null || outing?.lasting === true;',
    replace: '  const staysOut = hold !== null;',
  },
  ...LEVEL_MUTANTS,
  ...RAMP_MUTANTS,
  ...SLOT_MUTANTS,
  ...REBOOT_MUTANTS,
];
