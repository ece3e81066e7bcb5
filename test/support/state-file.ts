import { readFileSync } from 'node:fs';
import type { StateRecord } from '../../agent/lifecycle/model/record.ts';
import { errnoOf } from '../../agent/system/error.ts';

/** What the sidecar's state file holds at this moment; null before there is one. */
export function recordAt(path: string): StateRecord | null {
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as {
      readonly record: { readonly record: StateRecord };
    };
    return file.record.record;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** The sidecar's desired state of a server by its record on disk; null = not in it. */
export function wishOnDisk(path: string, server: string): string | null {
  const [balancer] = Object.values(recordAt(path)?.balancers ?? {});
  return balancer?.servers[server]?.want ?? null;
}
