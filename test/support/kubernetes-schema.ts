import { textOf } from './repository.ts';

/**
 * Checks manifests against the types of Kubernetes' own OpenAPI (test/fixtures/kubernetes says of which version, and how they are
 * written there). As strict as `kubectl apply --validate=strict`: a field that its type does not have is refused.
 */

/** `string`, `integer`, `[Container]`, `{string}`, `Container`, ... */
type TypeName = string;

/** The fields of one type; a name that ends with a question mark may be absent. */
type Fields = Readonly<Record<string, TypeName>>;

const { types } = JSON.parse(textOf('test/fixtures/kubernetes/openapi-1.35.json')) as {
  readonly types: Readonly<Record<string, Fields>>;
};

const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  integer: (value) => Number.isInteger(value),
  number: (value) => typeof value === 'number',
  time: (value) => typeof value === 'string',
  quantity: (value) => typeof value === 'string' || typeof value === 'number',
  intOrString: (value) => typeof value === 'string' || Number.isInteger(value),
};

/**
 * @param manifest one document of a file
 * @returns a line for each problem, with its path: `spec.template.spec.containers[0].imgae: Container has no such field`
 */
export function manifestProblems(manifest: unknown): string[] {
  const kind = isMap(manifest) ? manifest['kind'] : undefined;
  return typeof kind === 'string' ? problemsAt('', manifest, kind) : ['it has no kind'];
}

function problemsAt(path: string, value: unknown, type: TypeName): string[] {
  const isScalar = SCALARS[type];
  if (isScalar !== undefined) return isScalar(value) ? [] : [`${path}: is no ${type}`];
  const inner = type.slice(1, -1);
  if (type.startsWith('['))
    return Array.isArray(value)
      ? value.flatMap((item, index) => problemsAt(`${path}[${index}]`, item, inner))
      : [`${path}: is no list`];
  if (!isMap(value)) return [`${path}: is no map`];
  if (type.startsWith('{'))
    return Object.entries(value).flatMap(([key, item]) => problemsAt(`${path}.${key}`, item, inner));
  return problemsOf(path, value, type);
}

function problemsOf(path: string, value: Readonly<Record<string, unknown>>, type: TypeName): string[] {
  const fields = types[type];
  if (fields === undefined) return [`${path}: the fixture has no type ${type}; add it there`];
  const prefix = path === '' ? '' : `${path}.`;
  const missing = Object.keys(fields).filter((name) => !name.endsWith('?') && !(name in value));
  return [
    ...missing.map((name) => `${prefix}${name}: is missing, and ${type} needs it`),
    ...Object.entries(value).flatMap(([name, item]) => {
      const field = fields[name] ?? fields[`${name}?`];
      return field === undefined
        ? [`${prefix}${name}: ${type} has no such field`]
        : problemsAt(`${prefix}${name}`, item, field);
    }),
  ];
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
