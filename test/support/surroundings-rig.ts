import { afterEach, expect } from '@jest/globals';
import { openRig, type Rig, type RigOptions, told } from './rig.ts';

/** Rigs with other servers of HAProxy around those of the node. */

export let rig: Rig;

afterEach(() => rig.close());

export const open = async (options: RigOptions = {}): Promise<void> => {
  rig = await openRig({ termMs: 50, cookie: false, ...options });
};

export const sessions = (): string[] => ['--sessions', `${rig.node.url}/sessions`];

export const stops = (): string[] => ['--stop-pid', rig.node.pidFile];

/** Runs it, and sees that HAProxy and the application were left exactly as they were. */
export async function refused(verb: string, ...words: readonly string[]) {
  const before = await rig.states();
  const { code, json } = await told(rig.direct(verb, ...words));
  expect(await rig.states()).toBe(before);
  expect(await rig.terms()).toBe(0);
  return { code, said: json.code, message: json.message ?? '' };
}

export const OTHER = '  server app2 127.0.0.1:1\n';
