import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { unpackDebian } from './debian.ts';

export interface Said {
  readonly code: number | null;
  /** Both streams. */
  readonly output: string;
}

/** Prometheus' own judge, or why there is none here. */
export type Promtool =
  { run(words: readonly string[], stdin?: string): Promise<Said> } | { readonly missing: string };

/** promtool out of Debian's package of Prometheus; nothing is installed. */
export async function findPromtool(): Promise<Promtool> {
  const unpacked = await unpackDebian('prometheus', ['prometheus'], 'usr/bin/promtool');
  if ('missing' in unpacked) return unpacked;
  const program = join(unpacked.root, 'usr/bin/promtool');
  return {
    async run(words, stdin = '') {
      const child = spawn(program, words, { stdio: 'pipe' });
      child.stdin.end(stdin);
      const [out, error, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'exit') as Promise<[number | null]>,
      ]);
      return { code, output: out + error };
    },
  };
}
