import type { TlsFiles } from '../haproxy/tls.ts';
import type { Application } from './application.ts';
import type { ServerCandidate } from './candidates.ts';
import type { NodeDetails } from './node-details.ts';
import type { MasterFact, SocketAccess } from './socket-facts.ts';

/** All facts from which the file is written. */
export interface Facts {
  /** The name that the node gets. */
  readonly node: string;
  readonly nodes: readonly NodeFacts[];
  readonly application: Application;
  /** The URL of a page of it that answers 200 and makes no session; null = none was found. */
  readonly healthPage: string | null;
  /** Other applications of this machine at these HAProxys. */
  readonly others: readonly (readonly ServerCandidate[])[];
  /** Doubts about the choice of servers. */
  readonly doubts: readonly string[];
  readonly tls: TlsFiles | null;
  readonly isRoot: boolean;
  /** The contexts of the applications in the Tomcat that listens, as far as its directory shows them. */
  readonly contexts: readonly string[];
  /** Ports of this machine at which a process listens already. */
  readonly takenPorts: ReadonlySet<number>;
  /** The directories of PHP's sessions that this machine has. */
  readonly phpSessions: readonly string[];
  /** systemd runs this machine; in a container, or under another init, no unit can be named. */
  readonly hasSystemd: boolean;
}

/** This node at one HAProxy. */
export interface NodeFacts extends NodeDetails {
  readonly access: SocketAccess;
  readonly master: MasterFact;
  /** Null where no master was found. */
  readonly masterAccess: SocketAccess | null;
}

/** The parts of the file are written by it, in order. */
export interface Section {
  readonly facts: Facts;
  /** A warning beside the file, on stderr: what the operator should know before anything is run. */
  readonly warn: (text: string) => void;
}

/** What binds users to this node at any HAProxy, as texts for a sentence; empty where HAProxy shows nothing that does. */
export function stickyTexts({ nodes }: Facts): readonly string[] {
  const texts = nodes.flatMap(({ servers }) => servers.flatMap(({ sticky }) => sticky ?? []));
  return [...new Set(texts)];
}
