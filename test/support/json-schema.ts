/** The part of JSON Schema (draft 7) that deploy/lastcall.schema.json uses; a keyword that is not known here is an error. */

interface DraftSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, DraftSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | DraftSchema;
  readonly items?: DraftSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly anyOf?: readonly DraftSchema[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

const KEYWORDS = new Set(
  'type properties required additionalProperties items minItems maxItems anyOf enum pattern minimum maximum'.split(
    ' ',
  ),
);
const NOTES = new Set(['$schema', 'title', 'description', 'default']);

/**
 * Whether a value is what a schema wants.
 * @throws Error for a keyword that is not known here
 */
export function isValid(schema: object, value: unknown): boolean {
  const wanted = schema as DraftSchema;
  for (const word of Object.keys(wanted))
    if (!KEYWORDS.has(word) && !NOTES.has(word)) throw new Error(`unknown keyword ${word}`);
  return (
    isOfType(wanted, value) &&
    (wanted.anyOf?.some((one) => isValid(one, value)) ?? true) &&
    (wanted.enum?.includes(value) ?? true) &&
    isText(wanted, value) &&
    isNumber(wanted, value) &&
    isList(wanted, value) &&
    isMapping(wanted, value)
  );
}

function isOfType({ type }: DraftSchema, value: unknown): boolean {
  if (type === undefined) return true;
  const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  return [type].flat().some((one) => one === kind || (one === 'integer' && Number.isInteger(value)));
}

function isText({ pattern }: DraftSchema, value: unknown): boolean {
  return typeof value !== 'string' || pattern === undefined || new RegExp(pattern, 'u').test(value);
}

function isNumber({ minimum = -Infinity, maximum = Infinity }: DraftSchema, value: unknown): boolean {
  return typeof value !== 'number' || (value >= minimum && value <= maximum);
}

function isList({ items = {}, minItems = 0, maxItems = Infinity }: DraftSchema, value: unknown): boolean {
  if (!Array.isArray(value)) return true;
  return value.length >= minItems && value.length <= maxItems && value.every((item) => isValid(items, item));
}

function isMapping(
  { properties = {}, required = [], additionalProperties = true }: DraftSchema,
  value: unknown,
): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return true;
  if (!required.every((key) => Object.hasOwn(value, key))) return false;
  return Object.entries(value).every(([key, one]) => {
    const known = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    return typeof known === 'boolean' ? known : isValid(known ?? {}, one);
  });
}
