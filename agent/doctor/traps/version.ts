import { hasFragileMaster } from '../../haproxy/replies/show-info.ts';
import type { Examination, HaproxyExamined } from '../examination.ts';
import { CLEAR, found, inside, together, type Sighting, type Trap } from '../trap.ts';

/** Versions of HAProxy with a known bug that concerns a drain (BEHAVIOUR.md). */

function each(examined: Examination, look: (haproxy: HaproxyExamined, version: string) => boolean): Sighting {
  return together(
    examined.haproxies.map((haproxy) =>
      inside(haproxy.about, ({ info: { version } }) =>
        look(haproxy, version) ? found(`${haproxy.config.address} is HAProxy ${version}`) : CLEAR,
      ),
    ),
  );
}

function numbersOf(version: string): readonly [number, number, number] {
  const [, major = '0', minor = '0', patch = '0'] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(version) ?? [];
  return [Number(major), Number(minor), Number(patch)];
}

/** As `requireSupported`, whose refusal comes when an operation begins. */
function tooOld(_haproxy: HaproxyExamined, version: string): boolean {
  const [major, minor] = numbersOf(version);
  return major < 2 || (major === 2 && minor < 4);
}

function fragileMaster({ config, about }: HaproxyExamined): boolean {
  return config.master !== null && about.ok && hasFragileMaster(about.value.info);
}

/** BEHAVIOUR.md#agent-check-bugs */
function staysDown({ servers }: HaproxyExamined, version: string): boolean {
  const [major, minor, patch] = numbersOf(version);
  const isBuggy = major === 3 && ((minor === 3 && patch <= 11) || (minor === 4 && patch <= 1));
  return isBuggy && servers.ok && servers.value.some(({ agentStatus }) => agentStatus !== '');
}

/** The one version of which it was seen (BEHAVIOUR.md#cut-answers); of its neighbours it is not known. */
const CUT = /^3\.2\.26\b/;

export const VERSION_TRAPS: readonly Trap[] = [
  {
    id: 'too-old',
    severity: 'breaks',
    consequence:
      'a worker that is stopping shows no statistics before 2.4, so its users cannot be seen: refused (78)',
    fix: 'upgrade HAProxy to 2.4 or newer',
    look: (examined) => each(examined, tooOld),
  },
  {
    id: 'master-crash',
    severity: 'costs',
    consequence:
      'after a reload with a broken file any connection to the master CLI ends HAProxy and its workers',
    fix: 'try each file with `haproxy -c` before a reload, or leave `master` out until HAProxy is upgraded',
    fixByFlag:
      'try each file with `haproxy -c` before a reload, or leave --master out until HAProxy is upgraded',
    look: (examined) => each(examined, fragileMaster),
  },
  {
    id: 'agent-stays-down',
    severity: 'costs',
    consequence: 'a server that has failed once stays DOWN (agent) until its agent says `up`',
    fix: 'write `default-server` in the backend, or upgrade to 3.3.12 or 3.4.2',
    look: (examined) => each(examined, staysDown),
  },
  {
    id: 'cut-answer-crash',
    severity: 'note',
    consequence:
      'a script that does not read `show servers state` to its end crashes HAProxy (some 200 servers and more)',
    fix: 'put no `head` and no `timeout` around it; upgrade when a fixed version is there',
    look: (examined) => each(examined, (_haproxy, version) => CUT.test(version)),
  },
];
