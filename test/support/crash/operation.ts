import { readFileSync } from 'node:fs';
import type { RequestBody } from '../../../agent/control/protocol.ts';
import type { Result } from '../../../agent/lifecycle/model/api.ts';
import { errnoOf } from '../../../agent/system/error.ts';
import { type Agent, patience } from '../rig.ts';

/** Operations of a sidecar that have to go well, and what the disk knows of their ends. */

/** @throws Error where it does not end well */
export async function endsWell(agent: Agent, body: RequestBody): Promise<void> {
  const result = await agent.ends(await submitted(agent, body));
  if (!result.ok) throw new Error(`${body.operation} on the way: ${sayResult(result)}`);
}

/**
 * @returns its id
 * @throws Error where it is refused
 */
export async function submitted(agent: Agent, body: RequestBody): Promise<string> {
  const answer = await agent.client.submit(body, patience());
  if (answer.accepted) return answer.id;
  if (answer.result.ok) return answer.result.id;
  throw new Error(`${body.operation} on the way: ${sayResult(answer.result)}`);
}

export function sayResult({ code, phase, message }: Result): string {
  return `${code} in ${phase}${message === undefined ? '' : `: ${message}`}`;
}

/** The ids of the operations whose ends the disk knows, oldest first. */
export function resultsAt(path: string): readonly string[] {
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as {
      readonly record: { readonly results?: readonly Result[] };
    };
    return (file.record.results ?? []).map(({ id }) => id);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
