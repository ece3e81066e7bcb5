// Makes dist/man/lastcall.1, the page of `man lastcall`, from the commands of the program (agent/cli/man-page.ts). The
// npm package ships it, and so does the Debian package.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PAGE = join(ROOT, 'dist', 'man', 'lastcall.1');
const WRITER = join(ROOT, 'dist', 'man', `writer-${process.pid}.mjs`);

/** Nothing is run: only the words of the commands are read. */
const SOURCE = `
import { createProgram } from './cli/commands.ts';
import { manPage } from './cli/man-page.ts';
export const pageOf = (version) =>
  manPage(createProgram({ stdout: { write: () => undefined }, version: () => version }, null, () => undefined), version);
`;

mkdirSync(dirname(PAGE), { recursive: true });
await build({
  stdin: { contents: SOURCE, resolveDir: join(ROOT, 'agent'), loader: 'ts' },
  outfile: WRITER,
  bundle: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  logLevel: 'warning',
});
try {
  const { pageOf } = await import(pathToFileURL(WRITER).href);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  writeFileSync(`${PAGE}.new`, pageOf(version));
  renameSync(`${PAGE}.new`, PAGE);
} finally {
  rmSync(WRITER, { force: true });
}
