import { createMetrics } from '../../agent/telemetry/metrics.ts';
import type { Result } from '../../agent/lifecycle/model/api.ts';
import { OWN_TERMS } from '../../agent/lifecycle/model/policy.ts';
import { realClock } from '../../agent/system/clock.ts';
import { createLabelledCounts, type LabelledCounts } from '../../agent/system/labelled-counts.ts';
import { createScriptedService } from './scripted-service.ts';

/** Every metric as the page itself names it: its name with its labels, its type, its help. */
export async function metricNames(): Promise<
  readonly (readonly [name: string, type: string, help: string])[]
> {
  const answers = new Map([['up', 1]]);
  const service = createScriptedService();
  const metrics = await createMetrics(service, {
    clock: realClock,
    agentChecks: answers,
    healthChecks: answers,
    scheduleRuns: counted({ do: 'restart', outcome: 'done' }),
    hookRuns: counted({ hook: 'hooks[0]', outcome: 'done' }),
  });
  await metrics.service.submit({ ...OWN_TERMS, id: 'x', kind: 'drain', reason: null, by: 'test' });
  const ended: Partial<Result> = {};
  service.finish('done', ended);
  const page = await metrics.text();
  return [...page.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$/gm)].map(
    ([, name = '', help = '', type = '']) => [`${name}${labelsOf(page, name)}`, type, help],
  );
}

function counted(labels: Readonly<Record<string, string>>): Pick<LabelledCounts<never>, 'samples'> {
  const counts = createLabelledCounts();
  counts.add(labels);
  return counts;
}

function labelsOf(page: string, name: string): string {
  const labels = new RegExp(`^${name}\\{(.*)\\} `, 'm').exec(page)?.[1] ?? '';
  const names = [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label);
  return names.length === 0 ? '' : `{${names.join(',')}}`;
}
