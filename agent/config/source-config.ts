import type { CommandConfig } from './command-config.ts';

/** How users are counted: the sources of `sessions`. */

export type SourceConfig =
  | HttpSourceConfig
  | TomcatSourceConfig
  | FilesSourceConfig
  | CommandSourceConfig
  | StickTableSourceConfig
  | TcpSourceConfig
  | IdleSourceConfig;

/** What follows from a source's kind alone. */
export interface SourceKind {
  /** `users`: their sessions. Connections and requests prove nothing of a user who is bound and silent. */
  readonly counts: 'users' | 'connections' | 'requests';
  /** It asks the application's own process: an answer proves that it lives. */
  readonly asksApp: boolean;
  /** It asks HAProxy, so users who come by another balancer are not seen. */
  readonly asksHaproxy: boolean;
}

export const SOURCE_KINDS: Readonly<Record<SourceConfig['kind'], SourceKind>> = {
  http: { counts: 'users', asksApp: true, asksHaproxy: false },
  tomcat: { counts: 'users', asksApp: true, asksHaproxy: false },
  files: { counts: 'users', asksApp: false, asksHaproxy: false },
  command: { counts: 'users', asksApp: false, asksHaproxy: false },
  stickTable: { counts: 'users', asksApp: false, asksHaproxy: true },
  tcp: { counts: 'connections', asksApp: true, asksHaproxy: false },
  idle: { counts: 'requests', asksApp: false, asksHaproxy: true },
};

export interface HttpSourceConfig {
  readonly kind: 'http';
  readonly url: string;
  readonly reading: ReadingConfig;
  /** Header fields of the request; their values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** Where in an answer the number is. */
export type ReadingConfig =
  | { readonly kind: 'number' }
  /** By a JSON pointer (RFC 6901). */
  | { readonly kind: 'json'; readonly pointer: string }
  /** In the one group of a regular expression. */
  | { readonly kind: 'regex'; readonly pattern: string }
  /** In Prometheus' text format: `metric` or `metric{label="value"}`. */
  | { readonly kind: 'prometheus'; readonly series: string };

/** Tomcat's manager application. */
export interface TomcatSourceConfig {
  readonly kind: 'tomcat';
  /** Of the manager itself, such as `http://127.0.0.1:8080/manager`. */
  readonly url: string;
  readonly user: string;
  readonly passwordFile: string;
  /** `/app`, or `/` for the root context. */
  readonly context: string;
  readonly via: 'list' | 'jmxproxy';
  /** May lastcall make Tomcat check for expired sessions more often while the node is out? */
  readonly lowerExpiry: boolean;
  readonly timeoutMs: number;
}

export interface FilesSourceConfig {
  readonly kind: 'files';
  /** An absolute path with `*`, `?` and `[...]`. */
  readonly path: string;
  readonly youngerThanMs: number;
  readonly timeoutMs: number;
}

export interface CommandSourceConfig extends CommandConfig {
  readonly kind: 'command';
}

/** A stick table of HAProxy's, at each of them. */
export interface StickTableSourceConfig {
  readonly kind: 'stickTable';
  readonly table: string;
  /** `backend/server`, validated: a server of this node besides those of each balancer; null = none. */
  readonly server: string | null;
  /** The table's own `expire`; null = measured by the entries that are seen. */
  readonly expireMs: number | null;
  readonly timeoutMs: number;
}

/** Connections to a port of the application's, in the kernel's socket table. */
export interface TcpSourceConfig {
  readonly kind: 'tcp';
  readonly port: number;
  readonly timeoutMs: number;
}

/** The application counts as empty once no request has come for this long. */
export interface IdleSourceConfig {
  readonly kind: 'idle';
  readonly periodMs: number;
  readonly timeoutMs: number;
}
