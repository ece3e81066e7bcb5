import type { Diagnosis, LiveProof, TrapFound, TrapUnseen } from '../../doctor/diagnosis.ts';

const SEVERITIES: Readonly<Record<TrapFound['severity'], string>> = {
  breaks: 'BREAKS',
  costs: 'costs',
  note: 'note',
};

/** The most ids of traps in one line. */
const MOST_IDS = 6;

/**
 * A diagnosis for people; the last line sums it up.
 * @param options `quiet`: only what breaks the promise
 */
export function diagnosisLines(diagnosis: Diagnosis, { quiet }: { readonly quiet: boolean }): string[] {
  const { traps, unseen, live } = diagnosis;
  if (quiet) {
    const broken = traps.filter(({ severity }) => severity === 'breaks').flatMap(trapLines);
    return live === undefined || live.result === 'proven' ? broken : [...broken, ...liveLines(live)];
  }
  return [
    ...traps.flatMap(trapLines),
    ...unseen.flatMap(unseenLines),
    ...(live === undefined ? [] : liveLines(live)),
    sumOf(diagnosis),
  ];
}

function trapLines({ id, severity, found, consequence, fix, page }: TrapFound): string[] {
  const [first = '', ...more] = found;
  return [
    `${SEVERITIES[severity]}  ${id}: ${first}`,
    ...more.map((place) => `        ${place}`),
    `        ${consequence}`,
    `        fix: ${fix} (${page})`,
  ];
}

function unseenLines({ why, ids }: TrapUnseen): string[] {
  const more = ids.length > MOST_IDS ? ` and ${ids.length - MOST_IDS} more` : '';
  return [`not seen  ${ids.slice(0, MOST_IDS).join(', ')}${more}`, `        ${why}`];
}

/** What the two requests of a trial drain have shown. */
function liveLines({ result, seen }: LiveProof): string[] {
  const [first = '', ...more] = seen;
  return [`live ${result}: ${first}`, ...more.map((line) => `        ${line}`)];
}

const VERDICTS: Readonly<Record<LiveProof['result'], readonly string[]>> = {
  proven: [],
  refuted: ['the trial drain refutes the promise'],
  unproven: ['the trial drain proves nothing'],
};

function sumOf({ ok, node, user, looked, traps, unseen, live }: Diagnosis): string {
  const broken = traps.filter(({ severity }) => severity === 'breaks').length;
  const parts = [
    ...(live === undefined ? [] : VERDICTS[live.result]),
    ...(ok ? ['nothing breaks the promise'] : []),
    ...(broken > 0 ? [`${counted(broken, 'trap')} that break${broken === 1 ? 's' : ''} the promise`] : []),
    ...(traps.length > broken ? [`${traps.length - broken} that cost or are to be known`] : []),
    ...(unseen.length > 0 ? [`${new Set(unseen.flatMap(({ ids }) => ids)).size} not seen everywhere`] : []),
  ];
  return `${node}: ${parts.join(', ')} (looked for ${looked} as ${user})`;
}

function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
