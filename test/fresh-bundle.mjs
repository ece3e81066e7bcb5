// Jest's global setup: the tests start the program from dist/bundle, which must be that of the sources at hand.
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

export default function freshBundle() {
  const sources = readdirSync(join(ROOT, 'agent'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const read = [
    ...sources,
    ...['agent/bundle.mjs', 'package.json', 'package-lock.json'].map((name) => join(ROOT, name)),
  ];
  const built = statSync(join(ROOT, 'dist', 'bundle'), { throwIfNoEntry: false })?.ctimeMs ?? 0;
  if (read.every((file) => statSync(file).mtimeMs < built)) return;
  const { status } = spawnSync(process.execPath, [join(ROOT, 'agent', 'bundle.mjs')], {
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0)
    throw new Error('the program could not be bundled, see above (new packages? node test/prepare.mjs)');
}
