import type { HttpSourceConfig, ReadingConfig, SourceConfig } from './source-config.ts';
import * as defaults from './defaults.ts';
import * as field from './fields.ts';
import { mapping, oneOf, orNull } from './fields.ts';
import { headers, oneUser } from './headers-schema.ts';
import * as z from 'zod';

/** The keys of `sessions`: the sources that count the users of this node besides the connections. */

const httpSource = mapping({
  url: field.httpUrl,
  json: field.jsonPointer.optional(),
  regex: field.pattern.optional(),
  prometheus: field.series.optional(),
  headers,
})
  .superRefine(oneUser)
  .transform(({ url, headers: fields, ...ways }, context): Omit<HttpSourceConfig, 'kind' | 'timeoutMs'> => {
    const written = Object.keys(ways).filter((way) => ways[way as keyof typeof ways] !== undefined);
    if (written.length > 1) {
      context.addIssue({ code: 'custom', message: 'takes only one of json, regex or prometheus' });
    }
    return { url, reading: readingOf(ways), headers: fields };
  });

interface Ways {
  readonly json?: string | undefined;
  readonly regex?: string | undefined;
  readonly prometheus?: string | undefined;
}

function readingOf({ json, regex, prometheus }: Ways): ReadingConfig {
  if (json !== undefined) return { kind: 'json', pointer: json };
  if (regex !== undefined) return { kind: 'regex', pattern: regex };
  return prometheus === undefined ? { kind: 'number' } : { kind: 'prometheus', series: prometheus };
}

const tomcatSource = mapping({
  url: field.managerUrl,
  user: field.userName,
  passwordFile: field.path,
  context: field.tomcatContext,
  via: z.enum(['list', 'jmxproxy']).default(defaults.TOMCAT_VIA),
  lowerExpiry: z.boolean().default(false),
});

const stickTableSource = mapping({
  table: field.tableName,
  server: orNull(field.serverName),
  expire: orNull(field.duration),
});

const sourceTimeout = { timeout: field.duration.default(defaults.SOURCE_TIMEOUT_MS) };

/** One entry of `sessions`. */
export const source = oneOf({
  http: mapping({ http: httpSource, ...sourceTimeout }),
  tomcat: mapping({ tomcat: tomcatSource, ...sourceTimeout }),
  files: mapping({ files: mapping({ path: field.glob, youngerThan: field.duration }), ...sourceTimeout }),
  command: mapping({ command: field.command, ...sourceTimeout }),
  stickTable: mapping({ stickTable: stickTableSource, ...sourceTimeout }),
  tcp: mapping({ tcp: field.port, ...sourceTimeout }),
  idle: mapping({ idle: field.duration, ...sourceTimeout }),
}).transform((written): SourceConfig => {
  const timeoutMs = written.timeout;
  if ('http' in written) return { kind: 'http', ...written.http, timeoutMs };
  if ('tomcat' in written) return { kind: 'tomcat', ...written.tomcat, timeoutMs };
  if ('command' in written) return { kind: 'command', command: written.command, timeoutMs };
  if ('tcp' in written) return { kind: 'tcp', port: written.tcp, timeoutMs };
  if ('idle' in written) return { kind: 'idle', periodMs: written.idle, timeoutMs };
  if ('stickTable' in written) {
    const { table, server, expire } = written.stickTable;
    return { kind: 'stickTable', table, server, expireMs: expire, timeoutMs };
  }
  const { path, youngerThan } = written.files;
  return { kind: 'files', path, youngerThanMs: youngerThan, timeoutMs };
});
