import { MAX_HEADERS, headerNameProblem, headerValueProblem } from './header-validators.ts';
import * as z from 'zod';

/** `headers` of a request over HTTP: names to values. */
export const headers = z
  // Not a record of zod's: it leaves `__proto__` out in silence.
  .unknown()
  .meta({ type: 'object', additionalProperties: { type: 'string' } })
  .transform((written, context): Readonly<Record<string, string>> => {
    if (typeof written !== 'object' || written === null || Array.isArray(written)) {
      const message = 'expected a mapping of names to texts, such as { Host: shop.example }';
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    }
    const names = Object.keys(written);
    if (names.length > MAX_HEADERS) {
      context.addIssue({ code: 'custom', message: `holds more than ${MAX_HEADERS} headers` });
    }
    const seen = new Set<string>();
    for (const name of names) {
      const twice = seen.has(name.toLowerCase()) ? 'stands here twice' : undefined;
      seen.add(name.toLowerCase());
      const nameProblem = headerNameProblem(name) ?? twice;
      const message = nameProblem ?? valueProblem(name, (written as Readonly<Record<string, unknown>>)[name]);
      if (message === undefined) continue;
      const at = nameProblem === undefined ? 'value' : 'key';
      context.addIssue({ code: 'custom', path: [name], message, params: { at } });
    }
    return written as Record<string, string>;
  })
  .prefault({});

function valueProblem(name: string, value: unknown): string | undefined {
  if (typeof value === 'string') return headerValueProblem(name, value);
  return typeof value === 'number' || typeof value === 'boolean'
    ? 'expected a text, put it in quotes'
    : 'expected a text';
}

/** The user of a URL would come over the field `Authorization`, unseen. */
export function oneUser(
  { url, headers: fields }: { readonly url: string; readonly headers: Readonly<Record<string, string>> },
  context: z.core.$RefinementCtx,
): void {
  if (!URL.canParse(url)) return;
  const { username, password } = new URL(url);
  const isTwice = Object.keys(fields).some((name) => name.toLowerCase() === 'authorization');
  if (isTwice && (username !== '' || password !== '')) {
    context.addIssue({
      code: 'custom',
      path: ['headers'],
      message: 'holds Authorization, and the URL names a user: leave one of the two out',
    });
  }
}
