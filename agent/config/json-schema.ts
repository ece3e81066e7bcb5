import { file } from './schema.ts';
import * as z from 'zod';

/**
 * The configuration as a JSON Schema, for editors: deploy/lastcall.schema.json. It is made of the schema that `lastcall check`
 * uses, and accepts whatever that accepts. What only `check` sees (a name that HAProxy cannot have, two keys that exclude each
 * other) it lets pass.
 */

type Json = z.core.JSONSchema.BaseSchema;

/** A text with a reference to the environment, `${NAME}`. */
const VARIABLE = String.raw`\$\{`;

/** The whole schema as plain JSON. */
export function configJsonSchema(): object {
  const { $schema, ...schema } = jsonOf(file);
  const description = 'The configuration of one node: /etc/lastcall/lastcall.yaml';
  return { $schema, title: 'lastcall', description, ...withVariables(schema) };
}

/** What may be written. Defaults may be missing in it, and a text is what stands in the file, not what is made of it. */
function jsonOf(schema: z.ZodType): Json {
  return z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => addHints(jsonSchema),
  });
}

/** Applies the hints in `meta` of a field (fields.ts), which zod has put between the other keys. */
function addHints(json: Json): void {
  const { kinds, alsoWritten, ...rest } = json;
  if (kinds !== undefined) {
    replace(json, { anyOf: Object.values(kinds as Readonly<Record<string, z.ZodType>>).map(jsonOf) });
  } else if (alsoWritten !== undefined) {
    replace(json, { anyOf: [{ type: alsoWritten as 'string' }, rest] });
  }
}

function replace(json: Json, by: Json): void {
  for (const key of Object.keys(json)) delete json[key];
  Object.assign(json, by);
}

/** A schema in which each value that is not just any text may come out of the environment, too. */
function withVariables(schema: Json): Json {
  const { $schema: _repeated, properties = {}, items, anyOf, ...own } = schema;
  const parts = {
    ...(Object.keys(properties).length === 0 ? {} : { properties: mapValues(properties) }),
    ...(items === undefined ? {} : { items: withVariables(items as Json) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map((one) => withVariables(one as Json)) }),
  };
  if (own.pattern !== undefined) return { ...own, ...parts, pattern: `${VARIABLE}|${own.pattern}` };
  if (own.enum === undefined && own.type !== 'boolean' && own.type !== 'integer') return { ...own, ...parts };
  const { default: preset, ...value } = own;
  const choice = { anyOf: [value, { type: 'string' as const, pattern: VARIABLE }] };
  return preset === undefined ? choice : { default: preset, ...choice };
}

function mapValues(properties: Readonly<Record<string, unknown>>): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(properties).map(([key, schema]) => [key, withVariables(schema as Json)]),
  );
}
