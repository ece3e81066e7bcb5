import { expect } from '@jest/globals';
import { join } from 'node:path';
import type { Report } from '../fixtures/tally.ts';
import { packageRoot } from '../support/sample.ts';
import type { Box } from './box.ts';

/** Users of the site in a box. */
export interface Crowd {
  /** All users log out. */
  leave(): Promise<Report>;
}

/** Lets users in: by default forty at once who stay for four seconds, ten new ones each second. */
export async function startCrowd(box: Box, population = 40, stayMs = 4_000): Promise<Crowd> {
  const script = join(packageRoot(), 'dist', 'test', 'host', 'crowd.js');
  const users = box.startOutside([
    process.execPath,
    script,
    `--population=${population}`,
    `--stay-ms=${stayMs}`,
  ]);
  await users.begun;
  return {
    async leave() {
      users.close();
      const { code, stdout, stderr } = await users.ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Report;
    },
  };
}
