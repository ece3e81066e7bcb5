import type { Probe } from './probe.ts';

export interface HolderPorts {
  /** Where the node is: in `rotation`, on its way `outward`, `out` (stopped, or on its way back to READY), or between these. */
  readonly place: () => string;
  /** Called in rotation, and again on the way outward: what has the port then is the application. */
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
  let learnedIn: string | null = null;
  let reported: string | null = null;
  return {
    async ask(signal) {
      const answer = await probe.ask(signal);
      const place = ports.place();
      if (answer.kind === 'unhealthy') return answer;
      if (place !== 'out') {
        if (['rotation', 'outward'].includes(place) && place !== learnedIn) void ports.learn();
        learnedIn = place;
        return answer;
      }
      const stranger = await ports.strangerAt(signal);
      if (stranger === null) return answer;
      if (stranger !== reported)
        ports.onStranger(
          `${stranger}: its answers to the probe do not count; where it is the application by now, restart lastcall, which then takes it`,
        );
      reported = stranger;
      return { kind: 'unhealthy', reason: stranger };
    },
  };
}
