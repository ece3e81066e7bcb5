import { BOUNDS } from './bounds.ts';
import type { LockConfig } from './config.ts';
import * as defaults from './defaults.ts';
import * as field from './fields.ts';
import { mapping, oneOf } from './fields.ts';
import * as z from 'zod';

/** `pool` and `lock`: the nodes of which only some may be out at a time, and the lock that they share. */

export const pool = mapping({
  name: field.nodeName,
  slots: field.whole(BOUNDS['pool.slots']).default(defaults.POOL_SLOTS),
  brake: field.whole(BOUNDS['pool.brake']).default(defaults.POOL_BRAKE),
});

/** Many more than a cluster has members. */
const MOST_ENDPOINTS = 16;

const endpoints = z
  .array(field.etcdEndpoint)
  .min(1)
  .max(MOST_ENDPOINTS)
  .refine((written) => new Set(written).size === written.length, { error: 'names an endpoint twice' });

/** Etcd counts a lease in whole seconds; within less than five a node on a busy machine seems gone. */
const ttl = field.duration.default(defaults.LOCK_TTL_MS).superRefine((ms, context) => {
  if (ms < defaults.LOCK_TTL_MIN_MS || ms > defaults.LOCK_TTL_MAX_MS || ms % 1000 !== 0)
    context.addIssue({ code: 'custom', message: 'must be whole seconds, from 5s to 10m' });
});

export const lock = oneOf({
  file: mapping({ file: field.path }),
  etcd: mapping({ etcd: mapping({ endpoints, ttl }) }),
}).transform((written): LockConfig => {
  if ('file' in written) return { kind: 'file', path: written.file };
  return { kind: 'etcd', endpoints: written.etcd.endpoints, ttlMs: written.etcd.ttl };
});
