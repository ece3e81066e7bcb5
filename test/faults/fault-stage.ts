import type { RequestListener } from 'node:http';
import { killCommands } from '../support/cli.ts';
import { openRig, type Rig, type RigOptions } from '../support/rig.ts';
import { startStranger, type Stranger } from '../support/stranger.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';
import { makeTempDir } from '../support/tempdir.ts';

/** What a fault is made with; all of it and each command is taken away by `close`, whatever became of the fault. */
export interface FaultStage {
  /** A real HAProxy with a real legacy application behind it. */
  rig(options?: RigOptions): Promise<Rig>;
  /** A small HTTP server; `at` = its port. */
  stub(answer: RequestListener, at?: number): Promise<StubServer>;
  /** A program of another kind than the application, which answers each request at this port with 200. */
  stranger(port: number): Promise<Stranger>;
  /** A directory of mode 0700. */
  directory(): Promise<string>;
  /** What else has to be taken away; the last one first. */
  onEnd(close: () => unknown): void;
}

export interface OpenStage extends FaultStage {
  /** @throws AggregateError when something could not be taken away */
  close(): Promise<void>;
}

export function openStage(): OpenStage {
  const ends: (() => unknown)[] = [];
  const onEnd = (close: () => unknown): void => void ends.push(close);
  return {
    onEnd,
    async rig(options) {
      const rig = await openRig(options);
      onEnd(() => rig.close());
      return rig;
    },
    async stub(answer, at) {
      const stub = await startStub(answer, at);
      onEnd(() => stub.stop());
      return stub;
    },
    async stranger(port) {
      const stranger = await startStranger(port);
      onEnd(() => stranger.end());
      return stranger;
    },
    async directory() {
      const temp = await makeTempDir();
      onEnd(() => temp.remove());
      return temp.path;
    },
    async close() {
      const failures: unknown[] = [];
      for (const end of ends.splice(0).toReversed()) {
        try {
          await end();
        } catch (error) {
          failures.push(error);
        }
      }
      killCommands();
      if (failures.length > 0) throw new AggregateError(failures, 'something was left behind');
    },
  };
}
