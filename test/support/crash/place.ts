import { type CrowdedSite, openCrowdedSite } from '../crowded-site.ts';
import { startRecorder, type Recorder } from '../recorder.ts';
import { IDLE_MS } from './excuse.ts';
import { type RebootableMachine, makeMachine } from './machine.ts';

/** Where the crash campaign is played. */
export interface CrashPlace extends CrowdedSite {
  /** Between the sidecar and HAProxy's master. */
  readonly master: Recorder;
  readonly machine: RebootableMachine;
}

/** Each phase is long enough to be met under load, and not longer. */
const SITE = {
  crowd: { population: 6, thinkMs: 100, stayMs: 300, pageMs: 10 },
  site: { warmMs: 150, termMs: 150, checkInter: '200ms', idleMs: IDLE_MS, slowstart: false },
  quiet: '200ms',
} as const;

export async function openCrashPlace(): Promise<CrashPlace> {
  const place = await openCrowdedSite(SITE);
  const { dir, haproxy } = place.site;
  try {
    const machine = await makeMachine(dir);
    const master = await startRecorder(haproxy.masterSocket, `${dir}/master-recorder`);
    return {
      ...place,
      master,
      machine,
      async close() {
        await master.close();
        await place.close();
      },
    };
  } catch (error) {
    await place.close();
    throw error;
  }
}
