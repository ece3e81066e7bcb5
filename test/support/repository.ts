import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { packageRoot } from './sample.ts';

/** Not ours, or made by a build. */
const LEFT_OUT = ['.git', 'dist', 'node_modules'];

/** Every file of the repository, relative to its root. */
export function repositoryFiles(folder = ''): string[] {
  return readdirSync(join(packageRoot(), folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return LEFT_OUT.includes(entry.name) ? [] : repositoryFiles(path);
    return [path];
  });
}

export function textOf(path: string): string {
  return readFileSync(join(packageRoot(), path), 'utf8');
}

/** The files that a name stands for: a path from the root, the end of one, or the bare name of a file. */
export function filesNamed(name: string, files: readonly string[]): string[] {
  const bare = name.replace(/^(?:\.\.?\/)+/, '');
  return files.filter((file) => file === bare || file.endsWith(`/${bare}`) || basename(file) === bare);
}

/** The anchors of a page, one for each heading, as GitHub makes them. */
export function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}
