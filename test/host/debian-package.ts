import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../support/sample.ts';
import type { Box } from './box.ts';
import { buildAs, ownVersion } from './next-version.ts';
import type { Installer } from './stock.ts';

const execute = promisify(execFile);

/** Debian packages of this checkout. */
export interface DebianPackages {
  /** The version of package.json, and its file as seen in the box. */
  readonly version: string;
  readonly path: string;
  readonly bytes: number;
  /** The same sources as a later version, so that each part of the program has another name. */
  readonly next: { readonly version: string; readonly path: string };
}

/** Where the packages are seen in the box. */
const SEEN = '/run/in/debian';

/** @param work an empty directory, to be bound to `/run/in/debian` of the box */
export async function makeDebianPackages(work: string): Promise<DebianPackages> {
  const root = packageRoot();
  const version = await ownVersion();
  const path = await makeDebian(root, work);
  const next = {
    version: `${version}+next`,
    path: await makeDebian(await buildAs(`${version}+next`, work), work),
  };
  const { size } = await stat(join(work, basename(path)));
  return { version, path, bytes: size, next };
}

async function makeDebian(root: string, work: string): Promise<string> {
  const script = join(root, 'deploy', 'debian', 'build.mjs');
  const { stdout } = await execute(process.execPath, [script, work]);
  return join(SEEN, basename(stdout.trim()));
}

/** Installs a package by dpkg, and says which Node it found. */
export function debianInstaller({ path }: DebianPackages): Installer {
  return {
    deploy: '/usr/share/lastcall/deploy',
    async install(box) {
      const force = await nodeOf(box);
      // Where the machine outside is made of a container's image, this file forbids packages to restart a service.
      await box.sh(`rm -f /usr/sbin/policy-rc.d
        dpkg --install ${force} ${path}`);
    },
  };
}

/**
 * Debian 12 has Node 18, so the machine's may come from elsewhere.
 * @returns the option that dpkg needs where no package of Debian's kind has the Node
 */
async function nodeOf(box: Box): Promise<string> {
  const found = await box.run(['dpkg-query', '--show', '--showformat=${Version}', 'nodejs']);
  const isPackage = found.code === 0 && found.stdout !== '';
  const from = isPackage ? `the package nodejs ${found.stdout}` : `${process.execPath}, of no package`;
  if (!isPackage) await box.sh(`test -e /usr/bin/node || ln -s ${process.execPath} /usr/bin/node`);
  process.stderr.write(`package.host: Node ${process.version} from ${from}\n`);
  return isPackage ? '' : '--force-depends';
}
