import { APPLICATION_TRAPS } from './traps/application.ts';
import { COUNTING_TRAPS } from './traps/counting.ts';
import { FILE_CHECK_TRAPS } from './traps/file-checks.ts';
import { FILE_ROUTING_TRAPS } from './traps/file-routing.ts';
import { HEALTH_CHECK_TRAPS } from './traps/health-checks.ts';
import { OBJECTION_TRAPS } from './traps/objections.ts';
import { RELOAD_TRAPS } from './traps/reload.ts';
import { SOCKET_TRAPS } from './traps/socket.ts';
import { SYSTEM_TRAPS } from './traps/system.ts';
import { UNIT_TRAPS } from './traps/units.ts';
import { VERSION_TRAPS } from './traps/version.ts';
import { WEIGHT_TRAPS } from './traps/weight.ts';
import type { Trap } from './trap.ts';

/** Every trap that is looked for. Each id is an anchor of deploy/doctor.md. */
export const TRAPS: readonly Trap[] = [
  ...SOCKET_TRAPS,
  ...VERSION_TRAPS,
  ...OBJECTION_TRAPS,
  ...COUNTING_TRAPS,
  ...APPLICATION_TRAPS,
  ...HEALTH_CHECK_TRAPS,
  ...UNIT_TRAPS,
  ...RELOAD_TRAPS,
  ...WEIGHT_TRAPS,
  ...FILE_ROUTING_TRAPS,
  ...FILE_CHECK_TRAPS,
  ...SYSTEM_TRAPS,
];
