import type { Probe } from './probe.ts';

export interface HolderPorts {
  /** Where the node is: in `rotation`, `out` (stopped, or on its way back to READY), or between these. */
  readonly place: () => string;
  /** Called in rotation: what has the port now, and is the application's process, is the application. */
  readonly learn: () => Promise<void>;
  /** What answers in the application's place, in words; null = the application, or it is not known. */
  readonly strangerAt: (signal: AbortSignal) => Promise<string | null>;
  readonly onStranger: (text: string) => void;
}

/**
 * A probe whose good answers do not count while the node is out and another process than the application gives them. In service
 * every answer counts: users are served by what answers there.
 * @param ports `onStranger` is called once for each stranger
 */
export function ofApplication(probe: Probe, ports: HolderPorts): Probe {
  let isLearned = false;
  let told: string | null = null;
  return {
    async ask(signal) {
      const answer = await probe.ask(signal);
      const place = ports.place();
      if (place === 'out') isLearned = false;
      if (answer.kind === 'unhealthy' || !['rotation', 'out'].includes(place)) return answer;
      if (place === 'rotation') {
        if (!isLearned) void ports.learn();
        isLearned = true;
        return answer;
      }
      const stranger = await ports.strangerAt(signal);
      if (stranger === null) return answer;
      if (stranger !== told) ports.onStranger(`${stranger}: its answers to the probe do not count`);
      told = stranger;
      return { kind: 'unhealthy', reason: stranger };
    },
  };
}
