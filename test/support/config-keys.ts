import { file } from '../../agent/config/schema.ts';

/** The keys of the configuration, read from the schema that refuses every other one. */

interface Definition {
  readonly type: string;
  readonly innerType?: Schema;
  readonly in?: Schema;
  readonly out?: Schema;
  readonly element?: Schema;
  readonly entries?: Readonly<Record<string, string>>;
  readonly values?: readonly unknown[];
  readonly defaultValue?: unknown;
}

interface Schema {
  readonly def: Definition;
  readonly shape?: Readonly<Record<string, Schema>>;
  meta(): { readonly kinds?: Readonly<Record<string, Schema>> } | undefined;
}

/** Every key as its path (`balancers[].servers`) and, where it has them, the words to choose from and the default. */
export function configKeys(): readonly (readonly [path: string, about: string])[] {
  const lines = below(file as unknown as Schema, '').map(([path, about]) => [path, about] as const);
  return [...new Map(lines).entries()];
}

function below(schema: Schema, prefix: string): [string, string][] {
  const shapes = shapesOf(schema);
  if (shapes.length === 0) {
    const element = elementOf(schema);
    return element === null ? [] : below(element, `${prefix}[]`);
  }
  const dot = prefix === '' ? '' : '.';
  return shapes
    .flatMap((shape) => Object.entries(shape))
    .flatMap(([key, value]) => [
      [`${prefix}${dot}${key}`, aboutOf(value)] as [string, string],
      ...below(value, `${prefix}${dot}${key}`),
    ]);
}

/** What lies in a schema: itself, what it wraps, and both ends of what it turns into something else. */
function layersOf(schema: Schema): Schema[] {
  const { innerType, in: from, out } = schema.def;
  const inner = [innerType, from, out].filter((one) => one !== undefined);
  return [schema, ...inner.flatMap((one) => layersOf(one))];
}

function shapesOf(schema: Schema): Readonly<Record<string, Schema>>[] {
  return layersOf(schema).flatMap((layer) => {
    const kinds = Object.values(layer.def.type === 'object' ? (layer.meta()?.kinds ?? {}) : {});
    if (kinds.length > 0) return kinds.flatMap((kind) => shapesOf(kind));
    return layer.shape === undefined ? [] : [layer.shape];
  });
}

function elementOf(schema: Schema): Schema | null {
  return layersOf(schema).find(({ def }) => def.type === 'array')?.def.element ?? null;
}

function aboutOf(schema: Schema): string {
  const layers = layersOf(schema);
  const words = layers.flatMap(({ def }) => [...Object.values(def.entries ?? {}), ...(def.values ?? [])]);
  const preset = layers.find(({ def }) => def.type === 'default')?.def.defaultValue;
  const isPlain = ['string', 'number', 'boolean'].includes(typeof preset);
  return [words.join(' | '), isPlain ? `(default ${String(preset)})` : '']
    .filter((part) => part !== '')
    .join(' ');
}
