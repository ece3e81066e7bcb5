import type { Admin, Look, Role } from './observation.ts';

/** What a survey shows of the surroundings of our servers: siblings, relatives, pollers. */

/** Another server in the backend of one of ours, as a survey of scope `capacity` lists them. */
export interface Sibling {
  /** `backend/server` */
  readonly name: string;
  readonly role: Role | null;
  readonly admin: Admin;
  /** The state set by a command or by agent-check, without what overrides it. */
  readonly forced: Admin;
  /** It takes new users right now. */
  readonly usable: boolean;
  /**
   * In DRAIN, and only READY is missing: it is not DOWN, nor of weight 0. False for one in MAINT, where that is
   * unknown.
   */
  readonly couldServe: boolean;
  /** It is this application too: it goes where ours goes (`track`), or ends with it (`address`); null = another one. */
  readonly by: 'track' | 'address' | null;
}

/**
 * What a survey is about: everything (`reload`: of the servers that HAProxy still has), only who else is this application
 * (`relatives`), or only the siblings of this node's servers (`capacity`).
 */
export type SurveyScope = 'all' | 'reload' | 'relatives' | 'capacity';

/** What is asked only once, before an operation begins, because it costs more than a poll. */
export interface ServerSurvey {
  readonly name: string;
  /** null = unknown at this balancer. */
  readonly role: Role | null;
  /**
   * Servers of its backend that could take new users right now and are not this node's: the active ones, for a backup
   * the backups too; null = unknown.
   */
  readonly usableOthers: number | null;
  /** Usable backups of its backend that are not this node's; empty for a backup, which counts them above. */
  readonly standbys: readonly string[];
  /** Its neighbours that take no new users, with HAProxy's status of each: `app/app2 (DOWN)`. */
  readonly missing: readonly string[];
  /** True when new users reach this server now: taking it out costs capacity. */
  readonly usable: boolean;
  /**
   * Why users come back to this server between two connections (`cookie`, `stick table app`), why that is unknown,
   * or null. It counts only as long as no hash alone binds them.
   */
  readonly sticky: string | null;
  /** The hash that alone binds users to it (`balance source`), or null. A DRAIN makes the hash anew and moves them. */
  readonly hashed: string | null;
}

/** Another server of the same application that is not listed as this node's. */
export interface Relative {
  readonly name: string;
  /** Our server that it belongs to. */
  readonly of: string;
  /**
   * `track`: it follows our server's state (through others, maybe). `address`: it has an address at which this application
   * listens: ours, or the one of `servedAt`.
   */
  readonly by: 'track' | 'address';
  /**
   * Where the process of `of` was proven to serve it too, other than at the address of `of`: `port 8081`, `10.1.0.5:8080`.
   * Absent where it has that very address, and in an older record.
   */
  readonly servedAt?: string;
  readonly role: Role | null;
  readonly usable: boolean;
  /**
   * True for one in MAINT, set by a command or by the configuration (`disabled`, as the slots of a `server-template`),
   * that has no connection: no user is sent there. Absent in an older record.
   */
  readonly isShut?: boolean;
}

/** A server that is not listed, at a host of ours and at another address than ours: any process may serve it. */
export interface HostServer extends Omit<Relative, 'by' | 'servedAt'> {
  /** In words, as in `Relative`. */
  readonly servedAt: string;
  readonly host: string;
  readonly port: number;
}

export interface Survey extends Look {
  readonly facts: readonly ServerSurvey[];
  /** Other servers of this application; null = they were not looked for. */
  readonly relatives: readonly Relative[] | null;
  /** Others at the hosts of ours, as the balancer shows them; whether they are this application is not judged. Absent = none. */
  readonly onOurHost?: readonly HostServer[];
  /** Stick tables that bind users to servers, and hold none of this node's. */
  readonly foreignTables: readonly string[];
  /** Why servers with the address of ours cannot be found here; null = they can. */
  readonly blind: string | null;
  /** Which servers could be compared with nothing, for `--dry-run`. */
  readonly uncompared: readonly string[];
  /** Scope `capacity` only: the other servers in the backends of ours. */
  readonly siblings?: readonly Sibling[];
}

/** What a survey of scope `capacity` found, or failed to find (`siblings` is null then). */
export interface SiblingsSeen {
  /** When it was begun, in monotonic milliseconds. */
  readonly startedAt: number;
  readonly siblings: readonly Sibling[] | null;
}
