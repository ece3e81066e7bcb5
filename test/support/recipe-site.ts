import { join } from 'node:path';
import { freePort } from './ports.ts';
import { recipeOf } from './recipes.ts';
import { textOf } from './repository.ts';
import { packageRoot, type Sample, startSampleFile } from './sample.ts';
import { type Sidecar, type SidecarNode, type SidecarOptions, startSidecar } from './sidecar.ts';
import { makeTempDir } from './tempdir.ts';

/** What a test of a recipe starts besides the application: a HAProxy that reads a sample, and a sidecar by the page's lines. */
export interface RecipeSite {
  readonly dir: string;
  /** `host:port` at which users come in. */
  readonly listen: string;
  readonly url: string;
  /** Registers what is ended by `close`: the last one first. */
  readonly atTheEnd: (close: () => Promise<void>) => void;
  /**
   * Starts HAProxy with a sample for two applications.
   * @param expire the lifetime of an entry of its stick table
   * @param apps `host:port` of each
   */
  startHaproxy(file: string, expire: string, apps: readonly [string, string]): Promise<Sample>;
  startSidecar(
    haproxy: Sample,
    node: SidecarNode,
    patience: AbortSignal,
    options: SidecarOptions,
  ): Promise<Sidecar>;
  /** Ends all that was started, and removes the directory. Safe to call twice. */
  close(): Promise<void>;
}

/** @returns a site with nothing started yet */
export async function openRecipeSite(): Promise<RecipeSite> {
  const temp = await makeTempDir();
  const { path: dir } = temp;
  const listen = `127.0.0.1:${await freePort()}`;
  const closing = [() => temp.remove()];
  return {
    dir,
    listen,
    url: `http://${listen}`,
    atTheEnd: (close) => void closing.unshift(close),
    async startHaproxy(file, expire, [app1, app2]) {
      const haproxy = await startSampleFile([join(packageRoot(), file)], dir, {
        LB_SOCKET: join(dir, 'lb.sock'),
        LB_STATE: join(dir, 'server-state'),
        LB_LISTEN: listen,
        LB_PEER: `127.0.0.1:${await freePort()}`,
        LB_EXPIRE: expire,
        APP1: app1,
        APP2: app2,
      });
      closing.unshift(() => haproxy.stop());
      return haproxy;
    },
    async startSidecar(haproxy, node, patience, options) {
      const sidecar = await startSidecar({ dir, haproxy }, node, patience, options);
      closing.unshift(() => sidecar.stop());
      return sidecar;
    },
    async close() {
      for (const close of closing.splice(0)) await close();
    },
  };
}

/**
 * Compares a recipe's lines for HAProxy with the sample that its test runs.
 * @param expire as the page writes it
 * @returns the lines of the page that the sample does not have
 */
export function missingInSample(title: string, file: string, expire: string): string[] {
  const sample = textOf(file).replaceAll('"${LB_EXPIRE}"', expire);
  const lines = (recipeOf(title).block('haproxy') ?? '').trimEnd().split('\n');
  if (lines.length < 3) throw new Error(`the recipe ${title} has no lines for HAProxy`);
  return lines.filter((line) => !sample.includes(line));
}
