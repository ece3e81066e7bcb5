import { VERB_NAMES, VERBS, type VerbName } from './verbs.ts';

/** The moments of a verb in which its sidecar is killed, counted from outside. */

/** `half`: the new text is on disk, and has not the file's name; the disk is slow there. */
export const MOMENTS = { write: ['before', 'half', 'after'], exchange: ['before', 'after'] } as const;
export type PointKind = keyof typeof MOMENTS;
export type Moment = (typeof MOMENTS)[PointKind][number];

/** One kill -9. */
export interface KillPoint {
  readonly verb: VerbName;
  /** Of what passes between the sidecar and HAProxy, or of its writes to disk. */
  readonly what: PointKind;
  /** Which one since the verb was asked for, from 1 on. */
  readonly n: number;
  /** Before HAProxy or the disk has it, or after that and before the sidecar knows. */
  readonly moment: Moment;
  /** HAProxy is reloaded in the same moment, and forgets every state. */
  readonly reload: boolean;
}

/** Every point of every verb, without a reload and with one. */
export function allPoints(): KillPoint[] {
  const kinds = Object.keys(MOMENTS) as PointKind[];
  return VERB_NAMES.flatMap((verb) =>
    [false, true].flatMap((reload) =>
      kinds.flatMap((what) =>
        Array.from({ length: VERBS[verb].counts[what] }, (_none, at) =>
          MOMENTS[what].map((moment) => ({ verb, what, n: at + 1, moment, reload })),
        ).flat(),
      ),
    ),
  );
}

/** Its name in a report, by which it is played alone: `stop write 3 half reload`. */
export function nameOf({ verb, what, n, moment, reload }: KillPoint): string {
  return `${verb} ${what} ${n} ${moment}${reload ? ' reload' : ''}`;
}

/**
 * The points of a name: of one verb, of one moment (`half`), or one alone.
 * @throws Error for a text that names none
 */
export function pointsNamed(name: string): readonly KillPoint[] {
  const several = allPoints().filter(({ verb, moment }) => verb === name || moment === name);
  return several.length > 0 ? several : [pointNamed(name)];
}

/**
 * The point of a name.
 * @throws Error for a text that names none
 */
function pointNamed(name: string): KillPoint {
  const [, verb, what, n, moment, reload] =
    /^(\w+) (write|exchange) (\d+) (before|half|after)( reload)?$/.exec(name) ?? [];
  if (verb === undefined) throw new Error(`no point of a crash: ${JSON.stringify(name)}`);
  return {
    verb: verb as VerbName,
    what: what as PointKind,
    n: Number(n),
    moment: moment as Moment,
    reload: reload !== undefined,
  };
}
