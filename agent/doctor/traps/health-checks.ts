import type { Examination, HaproxyExamined, ServerExamined } from '../examination.ts';
import { CLEAR, found, inside, together, unseen, type Sighting, type Trap } from '../trap.ts';

/** Traps of health checks: neither HAProxy's check nor our probe sees that the application cannot answer. */

/** What the check of one server asks, as `show stat` has it. */
type CheckSeen =
  | { readonly asks: 'nothing' | 'connection' | 'more' }
  /** It is that of another server, which has one (HAProxy starts with no other). */
  | { readonly asks: 'tracked'; readonly of: string }
  | { readonly asks: 'unseen'; readonly why: string };

function seenAt({ checkStatus, tracked, status }: ServerExamined): CheckSeen {
  if (checkStatus === '' && tracked !== null) return { asks: 'tracked', of: tracked };
  // HAProxy pauses the check there, and shows no result where there was none before.
  if (checkStatus === '' && status.startsWith('MAINT'))
    return { asks: 'unseen', why: 'is in MAINT, where it is not checked' };
  if (checkStatus === '') return { asks: 'nothing' };
  if (/^L[46]OK$/.test(checkStatus)) return { asks: 'connection' };
  if (/^(L7|PROC)/.test(checkStatus)) return { asks: 'more' };
  // A connection that failed may have been meant for more.
  return { asks: 'unseen', why: `shows ${checkStatus}: what its health check asks is not seen` };
}

/** The check of a server that follows another one of this node is that one's. */
function checkOf(server: ServerExamined, all: readonly ServerExamined[]): CheckSeen {
  const seen = seenAt(server);
  const leader = seen.asks === 'tracked' && all.find(({ name }) => name === seen.of);
  return leader ? seenAt(leader) : seen;
}

function eachCheck(
  { haproxies }: Examination,
  say: (seen: CheckSeen, server: ServerExamined) => Sighting,
): Sighting {
  return together(
    haproxies.map(({ servers, config }: HaproxyExamined) =>
      inside(servers, (list) =>
        together(
          list.map((server) => {
            const sighting = say(checkOf(server, list), server);
            const named = (text: string): string => `${config.address}: ${server.name} ${text}`;
            return { found: sighting.found.map(named), unseen: sighting.unseen.map(named) };
          }),
        ),
      ),
    ),
  );
}

function unchecked(examined: Examination): Sighting {
  return eachCheck(examined, (seen, { checkStatus }) => {
    if (seen.asks === 'nothing') return found('has no health check');
    // A check that has run is there, whatever it asks.
    return seen.asks === 'unseen' && checkStatus === '' ? unseen(seen.why) : CLEAR;
  });
}

function shallowCheck(examined: Examination): Sighting {
  return eachCheck(examined, (seen) => {
    if (seen.asks === 'connection') return found('is checked by a connection alone');
    return unseenOf(seen);
  });
}

function unseenOf(seen: CheckSeen): Sighting {
  if (seen.asks === 'tracked') return unseen(`tracks ${seen.of}, whose health check was not looked at`);
  return seen.asks === 'unseen' ? unseen(seen.why) : CLEAR;
}

function isTcp({ config: { app } }: Examination): boolean {
  return app.probe?.how.kind === 'tcp';
}

/** Neither we nor HAProxy ask the application anything. */
function openPort(examined: Examination): Sighting {
  if (!isTcp(examined)) return CLEAR;
  return eachCheck(examined, (seen) => {
    if (seen.asks === 'connection') return found('is checked by a connection alone too');
    return seen.asks === 'nothing' ? found('has no health check besides') : unseenOf(seen);
  });
}

/** HAProxy takes a server that comes out of MAINT for UP until its checks have failed. */
function openPortAtFirst(examined: Examination): Sighting {
  if (!isTcp(examined)) return CLEAR;
  if (examined.haproxies.length === 0) return unseen('no HAProxy can be asked how it checks the application');
  return eachCheck(examined, (seen) =>
    seen.asks === 'more' ? found('is asked for more by HAProxy’s check alone') : unseenOf(seen),
  );
}

export const HEALTH_CHECK_TRAPS: readonly Trap[] = [
  {
    id: 'tcp-probe',
    severity: 'breaks',
    consequence:
      'READY comes as soon as a port is open: an application that opens its port before it can answer loses users',
    fix: 'write app.probe with the page by which the application shows that it serves',
    ofFileOnly: true,
    look: openPort,
  },
  {
    id: 'tcp-probe-checked',
    severity: 'costs',
    consequence:
      'READY comes as soon as a port is open, and users get errors until HAProxy’s own check has failed',
    fix: 'write app.probe with the page that HAProxy’s check asks',
    ofFileOnly: true,
    look: openPortAtFirst,
  },
  {
    id: 'no-check',
    severity: 'costs',
    consequence: 'HAProxy does not see that the application is down, and sends users to it',
    fix: 'write `check` on the server line, and `option httpchk` in the backend',
    look: unchecked,
  },
  {
    id: 'connect-check',
    severity: 'costs',
    consequence: 'an open port is UP for HAProxy, long before a slow application can answer',
    fix: 'write `option httpchk` with the application’s health page in the backend',
    look: shallowCheck,
  },
];
