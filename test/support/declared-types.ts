import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './sample.ts';
import { type Node, parseFile } from './syntax.ts';

const KINDS = ['TsInterfaceDeclaration', 'TsTypeAliasDeclaration', 'ClassDeclaration', 'TsEnumDeclaration'];

/** What no other file imports: its types are its own. */
const SUITE = /\.(?:test|host|long|versions)\.ts$/;

/** The files below a folder of the repository that declare each name of a type. */
export function declaredTypes(folder: string): ReadonlyMap<string, readonly string[]> {
  const root = packageRoot();
  const found = new Map<string, string[]>();
  for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || SUITE.test(name)) continue;
    const file = join(folder, name);
    const names = parseFile(join(root, file))
      .nodes.filter(({ type }) => KINDS.includes(type))
      .map((node) => String(((node['id'] ?? node['identifier']) as Node)['value']));
    for (const type of new Set(names)) found.set(type, [...(found.get(type) ?? []), file]);
  }
  return found;
}
