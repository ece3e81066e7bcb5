import { join } from 'node:path';
import { parse } from 'yaml';
import { createLegacyNode, type LegacyNode } from './legacy-node.ts';
import { freePort } from './ports.ts';
import { textOf } from './repository.ts';
import { packageRoot, type Sample, type SampleEnvironment, startSampleFile } from './sample.ts';
import { makeTempDir } from './tempdir.ts';

/** A legacy node with a port for its sidecar's agent-check. */
export type SampleNode = LegacyNode & { readonly agentPort: number };

/** A sample of haproxy/samples with two legacy nodes behind it, on free ports. */
export interface SampleSite {
  readonly dir: string;
  /** Where users come in. */
  readonly url: string;
  readonly haproxy: Sample;
  readonly app1: SampleNode;
  readonly app2: SampleNode;
  /** Ends every process and removes the directory. */
  close(): Promise<void>;
}

/** How the two nodes are called, and whether the second one is down at first. */
export interface SampleNames {
  readonly names?: readonly [string, string];
  readonly isAlone?: boolean;
}

/**
 * Starts nodes and HAProxy; resolves once all answer.
 * @param files of haproxy/, the sample first
 * @param more values of the sample's environment, by the directory and the nodes
 * @param names of the nodes; the second one is not started where `isAlone`
 */
export async function openSampleSite(
  files: readonly string[],
  patience: AbortSignal,
  more: (dir: string, nodes: readonly SampleNode[]) => Promise<Readonly<Record<string, string>>>,
  { names = ['app1', 'app2'], isAlone = false }: SampleNames = {},
): Promise<SampleSite> {
  const temp = await makeTempDir();
  const { path: dir } = temp;
  const make = async (name: string): Promise<SampleNode> => ({
    ...createLegacyNode({ name, port: await freePort(), dir }),
    agentPort: await freePort(),
  });
  const [app1, app2] = [await make(names[0]), await make(names[1])];
  const living = isAlone ? [app1] : [app1, app2];
  let haproxy: Sample | undefined;
  const close = async (): Promise<void> => {
    await haproxy?.stop();
    await Promise.all([app1.kill(), app2.kill()]);
    await temp.remove();
  };
  try {
    await Promise.all(living.map((node) => node.start()));
    await Promise.all(living.map((node) => node.untilServing(patience)));
    const listen = `127.0.0.1:${await freePort()}`;
    const environment: SampleEnvironment = {
      LB_SOCKET: join(dir, 'lb.sock'),
      LB_STATE: join(dir, 'server-state'),
      LB_LISTEN: listen,
      APP1: `127.0.0.1:${app1.port}`,
      APP2: `127.0.0.1:${app2.port}`,
      ...(await more(dir, [app1, app2])),
    };
    const paths = files.map((file) => join(packageRoot(), 'haproxy', file));
    haproxy = await startSampleFile(paths, dir, environment);
    return { dir, url: `http://${listen}`, haproxy, app1, app2, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * The configuration of lastcall that stands in the head of a sample, with what it writes replaced by what the test has.
 * @param file of haproxy/
 * @param changes from a text of it, which has to stand there, to the test's own
 */
export function sampleConfig(
  file: string,
  changes: Readonly<Record<string, string>> = {},
): Readonly<Record<string, unknown>> {
  const written = sampleYaml(file);
  const changed = Object.entries(changes).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the head of ${file} has no ${from}: ${written}`);
    return text.replaceAll(from, to);
  }, written);
  return parse(changed) as Record<string, unknown>;
}

/** The lines of configuration in the comment at the head of a sample; empty where it has none. */
export function sampleYaml(file: string): string {
  const block = /(?:^# {3}(?:[a-zA-Z]+:|  ).*\n)+/m.exec(textOf(join('haproxy', file)))?.[0] ?? '';
  return block.replaceAll(/^# {3}/gm, '');
}
