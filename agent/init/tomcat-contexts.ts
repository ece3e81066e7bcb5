import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../system/error.ts';
import type { ListeningProcess } from './machine.ts';

/** Applications of Tomcat itself: they have no users. */
const OWN = new Set(['/manager', '/host-manager', '/docs', '/examples']);
const BASE = '-Dcatalina.base=';
/** What the configuration takes for a context without a question; others are left to the operator. */
const PLAIN = /^[\w.-]+(#[\w.-]+)*$/;

/**
 * The contexts of the applications that a Tomcat has in its `webapps` (its documentation: Context, naming): `ROOT` is
 * `/`, `shop#api` is `/shop/api`, and what follows `##` is a version.
 * @returns none where it is no Tomcat, or its directory may not be listed
 */
export function tomcatContexts(process: ListeningProcess | null): readonly string[] {
  const base = process?.args.find((arg) => arg.startsWith(BASE))?.slice(BASE.length);
  if (base === undefined || !base.startsWith('/')) return [];
  const names = namesIn(join(base, 'webapps')).map((name) => name.replace(/\.war$/, '').replace(/##.*$/, ''));
  const contexts = names
    .filter((name) => PLAIN.test(name))
    .map((name) => (name === 'ROOT' ? '/' : `/${name.replaceAll('#', '/')}`));
  return [...new Set(contexts)].filter((context) => !OWN.has(context)).toSorted();
}

function namesIn(directory: string): readonly string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => !entry.isFile() || entry.name.endsWith('.war')).map(({ name }) => name);
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return [];
    throw error;
  }
}
