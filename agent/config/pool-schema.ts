import type { LockConfig } from './config.ts';
import * as defaults from './defaults.ts';
import * as field from './fields.ts';
import { mapping, oneOf } from './fields.ts';
import * as z from 'zod';

/** `pool` and `lock`: the nodes of which so many may be out, and where they meet. */

/** More than any pool has; other nodes believe no larger number. */
const MOST_NODES = 1_000;

export const pool = mapping({
  name: field.nodeName,
  slots: z.int().min(1).max(MOST_NODES).default(defaults.POOL_SLOTS),
  brake: z.int().min(1).max(MOST_NODES).default(defaults.POOL_BRAKE),
});

export const lock = oneOf({ file: mapping({ file: field.path }) }).transform(
  ({ file: path }): LockConfig => ({
    kind: 'file',
    path,
  }),
);
