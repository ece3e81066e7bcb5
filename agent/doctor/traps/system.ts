import type { Examination } from '../examination.ts';
import { CLEAR, found, unseen, type Sighting, type Trap } from '../trap.ts';

/** The sidecar, its user, its disk and its surroundings. */

function awaySidecar({ sidecar }: Examination): Sighting {
  return sidecar.ok ? CLEAR : found(sidecar.why);
}

/** It is no trap; what depends on the user is then not known for the sidecar. */
function otherUser({ sidecarUnit, user }: Examination): Sighting {
  if (!sidecarUnit.ok) return unseen(`as which user the sidecar runs: ${sidecarUnit.why}`);
  const theirs = sidecarUnit.value.properties['User'] ?? '';
  const name = theirs === '' ? 'root' : theirs;
  if (name === user) return CLEAR;
  return unseen(
    `this was looked at as ${user}, and ${sidecarUnit.value.name} runs as ${name}: ask again by \`runuser -u ${name} -- lastcall doctor\``,
  );
}

function unwritableState({ state }: Examination): Sighting {
  return state === null ? CLEAR : found(state);
}

function proxied({ proxies }: Examination): Sighting {
  return found(...proxies);
}

function unreadLock({ lock }: Examination): Sighting {
  return lock === null || lock.ok ? CLEAR : found(lock.why);
}

function unguardedPool({ config }: Examination): Sighting {
  return config.pool !== null && config.lock === null
    ? found(`pool ${config.pool.name}, without \`lock\``)
    : CLEAR;
}

export const SYSTEM_TRAPS: readonly Trap[] = [
  {
    id: 'state-rights',
    severity: 'breaks',
    consequence: 'no operation can begin (73): its intent has to be on disk first',
    fix: 'let this user write to the directory of `state` (StateDirectory= of the unit makes it)',
    ofFileOnly: true,
    look: unwritableState,
  },
  {
    id: 'lock-unread',
    severity: 'breaks',
    consequence: 'the lock of the pool cannot be asked: every drain is refused (75 locked)',
    fix: 'let this user read and write it, or correct `lock` (deploy/etcd.md)',
    ofFileOnly: true,
    look: unreadLock,
  },
  {
    id: 'no-lock',
    severity: 'costs',
    consequence: 'nothing keeps pool.slots: two nodes may go out together, as far as drain.keep lets them',
    fix: 'write `lock` with a directory that the nodes share, or etcd (deploy/etcd.md)',
    ofFileOnly: true,
    look: unguardedPool,
  },
  {
    id: 'no-sidecar',
    severity: 'note',
    consequence:
      'no sidecar answers at the control socket: nothing holds a drain over a reload, and no verb but direct mode works',
    fix: 'start it: `systemctl enable --now lastcall`; without systemd `lastcall run`',
    ofFileOnly: true,
    look: awaySidecar,
  },
  {
    id: 'other-user',
    severity: 'note',
    consequence: 'what this user may do the sidecar’s user may not, or the other way round',
    fix: 'run doctor as the user of the sidecar',
    ofFileOnly: true,
    look: otherUser,
  },
  {
    id: 'proxy-environment',
    severity: 'note',
    consequence:
      'lastcall asks no proxy, and its commands do not get these variables: what needs one gets no answer',
    fix: 'write what a command needs with env(1): `command: [env, https_proxy=..., PROGRAM]`',
    look: proxied,
  },
];
