import type { ScheduleConfig } from './config.ts';
import * as defaults from './defaults.ts';
import * as field from './fields.ts';
import { mapping, oneOf, orNull } from './fields.ts';
import type { ConditionConfig } from './hooks-config.ts';
import * as z from 'zod';

/** `schedule`: operations at times of the calendar. */

const when = oneOf({
  file: mapping({ file: field.path }),
  command: mapping({
    command: field.command,
    timeout: field.duration.default(defaults.HOOK_TIMEOUT_MS),
  }),
}).transform((written): ConditionConfig =>
  'file' in written
    ? { kind: 'file', path: written.file }
    : { kind: 'command', command: written.command, timeoutMs: written.timeout },
);

export const scheduleEntry = mapping({
  cron: field.anyText,
  timezone: orNull(field.anyText),
  do: z.enum(['restart', 'drain', 'ready', 'reboot']),
  reason: field.line.default(defaults.SCHEDULE_REASON),
  jitter: orNull(field.duration),
  when: orNull(when),
}).transform(({ jitter, ...written }): ScheduleConfig => ({ ...written, jitterMs: jitter ?? 0 }));
