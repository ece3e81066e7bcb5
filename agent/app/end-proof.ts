import type { GoneConfig } from '../config/config.ts';
import type { Proof, Unproven } from '../lifecycle/model/observation.ts';
import { isLastcallError } from '../system/error.ts';
import { whyNoPid } from './pid-file.ts';
import { createNamedProcess, type NamingPorts } from './named-process.ts';
import { listenersOn } from '../system/socket-owners.ts';

/** By which processes it is seen that a stop command has ended the application. */
export interface EndProof {
  /** See `Stopper.sight`. */
  sight(): void;
  /**
   * The processes that are the application now; asked before the command runs, since afterwards nothing names them.
   * @throws LastcallError `app-stop` where the process that is named has ended
   * @throws the signal's reason
   */
  capture(signal: AbortSignal): Promise<Proof | Unproven>;
  /** Has the process that the configuration names ended? A port names none once no process listens there. */
  gone(): 'gone' | 'unknown';
}

/** @param gone null = the configuration names no proof */
export function createEndProof(gone: GoneConfig | null, ports: NamingPorts): EndProof {
  if (gone === null) return NO_PROOF;
  return gone.kind === 'port' ? byPort(gone.port) : byPidFile(gone.path, ports);
}

const NO_PROOF: EndProof = {
  sight: () => undefined,
  capture: async () => ({
    code: 'config',
    unproven:
      'nothing proves the end of the application after a stop command: configure app.stop.gone, { pidFile: FILE } or { port: PORT }',
  }),
  gone: () => 'unknown',
};

function byPidFile(pidFile: string, ports: NamingPorts): EndProof {
  const named = createNamedProcess({ pid: null, pidFile }, ports);
  return {
    sight: () => named.sight(),
    async capture(signal) {
      signal.throwIfAborted();
      try {
        return await named.prove(signal);
      } catch (error) {
        if (!isLastcallError(error) || named.gone() === 'gone') throw error;
        return { code: 'app-stop', unproven: error.message };
      }
    },
    gone: () => named.gone(),
  };
}

function byPort(port: number): EndProof {
  return {
    sight: () => undefined,
    async capture(signal) {
      const found = await listenersOn(port, signal);
      if (found.kind === 'closed')
        return {
          code: 'app-stop',
          unproven: `nothing listens on port ${port}, so no process is known whose end could be seen`,
        };
      // Neither this process nor init, which may hold a socket for a service, ends with the application.
      const owners = found.kind === 'hidden' ? [] : found.owners.filter(({ pid }) => whyNoPid(pid) === null);
      const [first, ...others] = owners;
      if (first) return { ...first, ...(others.length > 0 ? { others } : {}) };
      const user = found.kind === 'hidden' ? ` (it is of user ${found.user})` : '';
      return {
        code: 'config',
        unproven: `the owner of port ${port} cannot be seen${user}, so the port proves nothing: configure app.stop.gone with a pidFile, or run lastcall where /proc shows the owner`,
      };
    },
    gone: () => 'unknown',
  };
}
