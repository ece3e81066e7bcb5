import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import { awaited } from '../../../agent/lifecycle/sync/awaited.ts';
import type { World } from './world.ts';

/** What a text of parts is when one of its parts is missing, stands twice, or was meant for another sentence. */
const BREAKS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a part is missing', /\bundefined\b|\bNaN\b|\bnull\b|\[object |\bInfinity\b/],
  ['a part is empty', /^\s|\s$|\s\s|\s[,;:.)](?!\w)|\(\s|\(\)|[,;]\s*[,;]|[,;:]$|""/],
  ['a word stands twice', /\b([A-Za-z]+) \1\b/],
  ['an end stands twice', /[.;]\.(?!\.)|(?<!\.)\.\.(?!\.)|\.;/],
  ['no time', /(?<![\d.])0 ?(?:ms|s|seconds)\b(?! ago)/],
  [
    'one of many',
    /\b1 (?:other |usable )*(?:users|sessions|connections|servers|nodes|workers|seconds|sources|balancers|times|entries)\b/,
  ],
  [
    'a sentence in the place of a thing',
    /\b(?:waits?|waiting|because of|despite|without) (?:for )?(?:the )?[\w/.-]+ (?:is|are|was|were|has|have|holds|did)\b/,
  ],
];

/** @returns what is wrong with the composition of a text; null = nothing that is known here */
export function breakIn(text: string): string | null {
  return BREAKS.find(([, pattern]) => pattern.test(text))?.[0] ?? null;
}

/** Every text that operators read of a step: results, refusals, log lines, alarms, and what is waited for. */
export function createTextJudge({ verdicts }: World) {
  const seen = new Set<string>();
  return (policy: Policy, state: State, effects: readonly Effect[], at: number): void => {
    const texts = [
      ...effects.flatMap((effect) => sentencesIn(effect)),
      ...Object.values(state.alarms),
      ...awaited({ policy, state, at }).map((what) => `waits: ${what}`),
    ];
    for (const text of texts) {
      if (seen.has(text)) continue;
      seen.add(text);
      const wrong = breakIn(text);
      if (wrong !== null) verdicts.broken('broken sentence', `${wrong}: ${text}`);
    }
  };
}

/** All texts of several words in a value, but for those of a record: they are in the results as well. */
function sentencesIn(value: unknown): string[] {
  if (typeof value === 'string') return value.includes(' ') ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  if ('type' in value && value.type === 'persist') return [];
  return Object.values(value).flatMap(sentencesIn);
}
