import type { CommandStopConfig } from '../config/config.ts';
import type { ProcessIdentity, Proof, Unproven } from '../lifecycle/view.ts';
import { isLastcallError } from '../system/error.ts';
import { checkAppCommand, runAppCommand, type CommandPorts } from './app-command.ts';
import { createEndProof } from './end-proof.ts';
import { alivenessOf, isProof, left, processesOf, untilGone } from './identity.ts';
import type { NamingPorts } from './named-process.ts';
import { outlived } from './refusal.ts';
import { whyNoPid } from './pid-file.ts';
import type { Stopper } from './stopper.ts';
import { listenersOn } from '../system/socket-owners.ts';

const UNPROVEN = 'the stop command succeeded, but nothing proves that the application is gone';

/**
 * Stops the application by a command, such as `catalina.sh stop`, whose exit code 0 is its success. Many return before
 * the application has ended; where `gone` names its processes, they are found before the command runs and watched until
 * they have ended, within the command's own timeout. Where it does not, the result warns.
 */
export function createCommandStopper(config: CommandStopConfig, ports: CommandPorts & NamingPorts): Stopper {
  const { clock, searchPath, stops } = ports;
  const command = { command: config.command, timeoutMs: config.timeoutMs, role: 'stop' } as const;
  const end = createEndProof(config.gone, ports);
  let suspects: readonly ProcessIdentity[] = [];
  return {
    // What a command does when it is run again only the operator knows (I6).
    repeatable: config.idempotent,
    proves: config.gone !== null,
    sight: () => end.sight(),
    gone: (proof) => (proof === null ? end.gone() : alivenessOf(processesOf(proof))),
    async check(signal) {
      signal.throwIfAborted();
      checkAppCommand(command, searchPath);
      return end.capture(signal);
    },
    async stop(proof, signal) {
      const began = clock.now();
      const until = began + config.timeoutMs;
      // Once more, for a drain may last hours, and workers come and go.
      const [found] = await Promise.all([
        end.capture(signal).catch(whyNot),
        stops?.announce({ until, watched: processesOf(proof), suspects: [] }),
      ]);
      const watched = together(proof, found);
      suspects = watched.length > 0 ? [] : await listening(ports, signal);
      await runAppCommand(
        command,
        { clock, signal },
        stops && ((leader) => stops.note(leader, { until, watched, suspects })),
      );
      if (watched.length === 0) return { how: 'command', warnings: [warningOf(found)] };
      if (await untilGone(watched, until, { clock, signal })) return { how: 'command', warnings: [] };
      throw outlived(
        left(watched).map(({ pid }) => pid),
        clock.now() - began,
      );
    },
    rejoin: async (signal) => stops?.ended(signal),
    async remains() {
      if (suspects.length === 0) suspects = (await stops?.suspects()) ?? [];
      return left(suspects).map(({ pid }) => pid);
    },
  };
}

/** Who waits for connections at the application's ports: no proof, since that may be a proxy before it. */
async function listening(
  { appPorts }: NamingPorts,
  signal: AbortSignal,
): Promise<readonly ProcessIdentity[]> {
  const found = await Promise.all((await appPorts(signal)).map((port) => listenersOn(port, signal)));
  return found
    .flatMap((one) => (one.kind === 'owned' ? one.owners : []))
    .filter(({ pid }) => whyNoPid(pid) === null);
}

function whyNot(error: unknown): Unproven {
  if (!isLastcallError(error) || error.code !== 'app-stop') throw error;
  return { code: 'app-stop', unproven: error.message };
}

/** What was the application when the stop was admitted, and what is now. */
function together(proof: Proof | null, found: Proof | Unproven): readonly ProcessIdentity[] {
  const all = [...processesOf(proof), ...processesOf(found)];
  return [...new Map(all.map((one) => [`${one.pid} ${one.startTime}`, one])).values()];
}

function warningOf(found: Proof | Unproven): string {
  return isProof(found) ? UNPROVEN : `${UNPROVEN}: ${found.unproven}`;
}
