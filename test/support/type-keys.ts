import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './sample.ts';
import { type Node, parseFile } from './syntax.ts';

/** The keys of a JSON object as its type declares them: what the compiler holds the program to, read from the source. */

/** One key: its path (`balancers[].name`) and its type, with ` | null` and, where it may be absent, a leading `?`. */
export type TypeKeys = readonly (readonly [path: string, type: string])[];

/** Type declarations of the product by their names; a name that is declared twice is refused when it is asked for. */
export type Declarations = ReadonlyMap<string, readonly Node[]>;

/** Types of other rooms, and what they are for a reader: the words of a code stand in a table of their own. */
const ELSEWHERE: Readonly<Record<string, string>> = { Code: 'string' };

const elsewhere = (type: Node): string | undefined =>
  type.type === 'TsTypeReference' ? ELSEWHERE[textOf(type['typeName'])] : undefined;

/** Reads every declaration of a type below a folder of agent/. */
export function readDeclarations(folder: string): Declarations {
  const agent = join(packageRoot(), 'agent', folder);
  const found = new Map<string, Node[]>();
  for (const name of readdirSync(agent, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    for (const node of parseFile(join(agent, name)).nodes) {
      if (node.type !== 'TsInterfaceDeclaration' && node.type !== 'TsTypeAliasDeclaration') continue;
      const id = textOf(node['id']);
      found.set(id, [...(found.get(id) ?? []), node]);
    }
  }
  return found;
}

/**
 * Every key of a type, those of nested objects and of the elements of lists included.
 * @throws Error for a type that is declared nowhere or twice, or is no object
 */
export function keysOfType(all: Declarations, name: string): TypeKeys {
  return membersOf(all, declared(all, name)).flatMap((member) => keysOfMember(all, member, ''));
}

function keysOfMember(all: Declarations, member: Node, prefix: string): TypeKeys {
  const path = `${prefix}${textOf(member['key'])}`;
  const type = bare(child(member['typeAnnotation'], 'typeAnnotation'));
  const alternatives = (type.type === 'TsUnionType' ? nodes(type['types']) : [type]).map((one) => bare(one));
  const below = alternatives.flatMap((one) => keysBelow(all, one, path));
  const optional = member['optional'] === true ? '?' : '';
  return [[path, `${optional}${alternatives.map((one) => shown(all, one)).join(' | ')}`], ...below];
}

function keysBelow(all: Declarations, type: Node, path: string): TypeKeys {
  if (type.type === 'TsArrayType') return keysBelow(all, bare(type['elemType'] as Node), `${path}[]`);
  const members = isObject(all, type) ? membersOf(all, type) : [];
  return members.flatMap((member) => keysOfMember(all, member, `${path}.`));
}

function isObject(all: Declarations, type: Node): boolean {
  if (elsewhere(type) !== undefined) return false;
  if (type.type === 'TsTypeReference') return isObject(all, declared(all, textOf(type['typeName'])));
  if (type.type === 'TsTypeAliasDeclaration') return isObject(all, bare(type['typeAnnotation'] as Node));
  return ['TsTypeLiteral', 'TsInterfaceDeclaration', 'TsIntersectionType'].includes(type.type);
}

function membersOf(all: Declarations, type: Node): Node[] {
  switch (type.type) {
    case 'TsTypeLiteral':
      return nodes(type['members']);
    case 'TsInterfaceDeclaration': {
      const above = nodes(type['extends']).map((one) => declared(all, textOf(one['expression'])));
      return [...above.flatMap((one) => membersOf(all, one)), ...nodes(child(type, 'body')['body'])];
    }
    case 'TsIntersectionType':
      return nodes(type['types']).flatMap((one) => membersOf(all, bare(one)));
    case 'TsTypeAliasDeclaration':
      return membersOf(all, bare(type['typeAnnotation'] as Node));
    case 'TsTypeReference':
      return membersOf(all, declared(all, textOf(type['typeName'])));
    default:
      throw new Error(`the keys of a ${type.type} are not known`);
  }
}

/** The type of a key for people: the words of a choice, and `object` or `list` where keys of its own follow. */
function shown(all: Declarations, type: Node): string {
  switch (type.type) {
    case 'TsKeywordType':
      return String(type['kind']);
    case 'TsLiteralType':
      return String(child(type, 'literal')['value']);
    case 'TsArrayType': {
      const element = bare(type['elemType'] as Node);
      return isObject(all, element) ? 'list' : `list of ${shown(all, element)}`;
    }
    case 'TsUnionType':
      return nodes(type['types'])
        .map((one) => shown(all, bare(one)))
        .join(' | ');
    case 'TsParenthesizedType':
    case 'TsTypeOperator':
      return shown(all, bare(type));
    case 'TsIndexedAccessType':
      return shown(all, indexed(all, type));
    case 'TsTypeReference': {
      if (isObject(all, type)) return 'object';
      return (
        elsewhere(type) ?? shown(all, bare(declared(all, textOf(type['typeName']))['typeAnnotation'] as Node))
      );
    }
    default:
      return 'object';
  }
}

/** `Holders['idle']`: the type of that key. */
function indexed(all: Declarations, type: Node): Node {
  const key = String(child(type['indexType'], 'literal')['value']);
  const member = membersOf(all, bare(type['objectType'] as Node)).find((one) => textOf(one['key']) === key);
  if (member === undefined) throw new Error(`there is no key ${key}`);
  return bare(child(member['typeAnnotation'], 'typeAnnotation'));
}

/** Without parentheses and `readonly`. */
function bare(type: Node): Node {
  const isWrapped = type.type === 'TsParenthesizedType' || type.type === 'TsTypeOperator';
  return isWrapped ? bare(type['typeAnnotation'] as Node) : type;
}

function declared(all: Declarations, name: string): Node {
  const found = all.get(name) ?? [];
  if (found.length === 1 && found[0] !== undefined) return found[0];
  throw new Error(`the type ${name} is declared ${found.length} times`);
}

function nodes(value: unknown): Node[] {
  return value as Node[];
}

function child(value: unknown, key: string): Node {
  return (value as Node)[key] as Node;
}

function textOf(identifier: unknown): string {
  return String((identifier as Node)['value']);
}
