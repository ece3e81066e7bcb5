import { endpointText } from './application.ts';
import { scalar, type YamlWriter } from './yaml-writer.ts';
import { stickyTexts, type Facts, type Section } from './facts.ts';

/** Writes `sessions`: the count of users, or the question how they are counted. */
export function writeSessions(draft: YamlWriter, { facts, warn }: Section): void {
  const sticky = stickyTexts(facts);
  draft.comment(
    'How the users of this node are counted, besides its connections, which always count. What gives no certain number is unknown, and unknown is never zero.',
  );
  if (sticky.length === 0) return writeNoSource(draft, facts);
  const tables = commonTables(facts);
  if (tables.length > 0) return writeTables(draft, facts, tables);
  warn(
    `users are bound to this node (${sticky.join('; ')}), and no source counts them yet; see EDIT in the file`,
  );
  draft.edit(
    `how are the users counted? They are bound to this node (${sticky.join('; ')}), and between two clicks a user has no connection: until a source stands here, \`stop\` and \`restart\` refuse (75 uncounted), and \`drain\` warns. Take the \`# \` away where one fits (recipes: deploy/count-users.md).`,
  );
  draft.choice(0, 'sessions:', ...choicesFor(facts).map((line) => `  ${line}`));
  draft.comment(
    'Where users lose nothing when another node serves them, say so instead; then their connections are enough:',
  );
  draft.choice(0, 'sticky: false');
}

function writeNoSource(draft: YamlWriter, { nodes }: Facts): void {
  const isHashed = nodes.some(({ servers }) => servers.some(({ hashed }) => hashed !== null));
  draft.comment(
    isHashed
      ? 'HAProxy binds users by a hash alone, which the drain itself makes anew: no count can keep them here. A cookie or a stick table in HAProxy would; `sticky: false` says that they lose nothing.'
      : 'HAProxy shows nothing that binds users to this node (no cookie, hash or stick table), so its connections are enough. If the application keeps sessions in its memory all the same, name a source here.',
  );
  if (isHashed) draft.choice(0, 'sticky: false');
  draft.choice(0, 'sessions:', "  - http: { url: 'http://127.0.0.1:8080/sessions' }");
}

interface CommonTable {
  readonly name: string;
  /** Null = not seen at any HAProxy; false = at one of them it has no `expire`. */
  readonly expires: boolean | null;
}

/** A source asks each HAProxy for its table, so only a table that all of them have can be one. */
function commonTables({ nodes }: Facts): readonly CommonTable[] {
  const [first, ...others] = nodes.map(({ tables }) => tables);
  return (first ?? []).flatMap(({ name, expires }) => {
    const same = others.map((tables) => tables.find((table) => table.name === name));
    if (same.includes(undefined)) return [];
    const all = [expires, ...same.map((table) => table?.expires ?? null)];
    return [{ name, expires: all.includes(false) ? false : all.includes(true) ? true : null }];
  });
}

function writeTables(draft: YamlWriter, facts: Facts, tables: readonly CommonTable[]): void {
  const endless = tables.filter(({ expires }) => expires === false).map(({ name }) => name);
  if (endless.length > 0) {
    draft.edit(
      `when does a user end? The stick table ${endless.join(', ')} has no \`expire\`, so its entries never end, and a drain would wait until its deadline. Give its \`stick-table\` line in HAProxy an \`expire\` as long as a session lives, then take the \`# \` away from the line of the table; or from another one that fits. Until then \`stop\` and \`restart\` refuse (75 uncounted).`,
    );
    const lines = tables.map(({ name }) => `- stickTable: { table: ${scalar(name)} }`);
    return draft.choice(0, 'sessions:', ...[...lines, ...choicesFor(facts)].map((line) => `  ${line}`));
  }
  const empty = tables.filter(({ expires }) => expires === null).map(({ name }) => name);
  if (empty.length > 0)
    draft.edit(
      `how long does an entry of the stick table ${empty.join(', ')} live? It is empty now, so HAProxy does not show that. Write the \`expire\` of its \`stick-table\` line here, as it stands there: until then the users of an empty table are unknown, and unknown is never zero.`,
    );
  draft.comment(
    'A user is one until the entry ends (`expire` of the `stick-table` line): a drain waits so long for a user who has left. Without an `expire` there it would wait until its deadline. After a restart of HAProxy without `peers` the table is empty, and its users are not seen for that time.',
  );
  draft.yaml('sessions:');
  for (const { name, expires } of tables) {
    if (expires !== null) draft.yaml(`  - stickTable: { table: ${scalar(name)} }`);
    else draft.yaml('  - stickTable:', `      table: ${scalar(name)}`);
    if (expires === null) draft.choice(6, 'expire: 30m');
  }
}

/** The sources that fit the program that listens, the likeliest first; each is a guess, so none is active. */
function choicesFor(facts: Facts): readonly string[] {
  const { kind, endpoints } = facts.application;
  const [endpoint] = endpoints;
  const place = endpoint === undefined ? '127.0.0.1:8080' : endpointText(endpoint);
  const url = (path: string): string => scalar(`http://${place}${path}`);
  const page = [
    `- http: { url: ${url('/sessions')} } # a page of the application that answers with the number`,
    `- http: { url: ${url('/sessions')}, json: /active } # or with JSON, and where the number is in it`,
    '- command: [/usr/local/bin/count-sessions] # or a program that prints it',
  ];
  switch (kind) {
    case 'tomcat':
      return [...tomcat(url('/manager'), facts.contexts), ...page];
    case 'wildfly':
      return [...wildfly(place), ...page];
    case 'java':
      return [...springBoot(url('/actuator/prometheus')), ...page];
    case 'php-fpm':
      return [...php(facts), ...page];
    case 'web-server':
      return [...page, ...php(facts)];
    case null:
      return [...page, ...tomcat(url('/manager'), facts.contexts), ...php(facts)];
    case 'node':
    case 'ruby':
    case 'python':
    case 'dotnet':
    case 'other':
    case 'haproxy':
    case 'container':
    case 'systemd':
      return page;
  }
}

/** A line for each application that is there: all of them have users, as far as can be seen. */
function tomcat(manager: string, contexts: readonly string[]): readonly string[] {
  const account = 'user: lastcall, passwordFile: /etc/lastcall/tomcat.password';
  const lines = (contexts.length > 0 ? contexts : ['/']).map(
    (context) => `- tomcat: { url: ${manager}, ${account}, context: ${scalar(context)} }`,
  );
  return [
    ...lines,
    '# Tomcat: its manager (tomcat10-admin), with a user of the role manager-script in tomcat-users.xml; the file has the',
    '# password in one line, for the sidecar alone. `context` is the path of the application, / for ROOT: of a wrong',
    '# one the number is 0 while users are there, so each application with users needs its line.',
  ];
}

/** WildFly shows its metrics at its management port. */
function wildfly(place: string): readonly string[] {
  const url = scalar(`http://${place.replace(/:\d+$/, ':9990')}/metrics`);
  const metric = 'wildfly_undertow_active_sessions{deployment="app.war"}';
  return [
    `- http: { url: ${url}, prometheus: '${metric}' }`,
    '# WildFly: its metrics, with `statistics-enabled` of undertow; `deployment` is the application.',
  ];
}

function springBoot(url: string): readonly string[] {
  return [
    `- http: { url: ${url}, prometheus: tomcat_sessions_active_current_sessions }`,
    '# Spring Boot: its actuator, with `server.tomcat.mbeanregistry.enabled=true` and the prometheus endpoint exposed.',
  ];
}

/** Debian's directory where this machine has none. */
function php({ phpSessions }: Facts): readonly string[] {
  const folders = phpSessions.length > 0 ? phpSessions : ['/var/lib/php/sessions'];
  return folders.flatMap((folder) => [
    `- files: { path: ${scalar(`${folder}/sess_*`)}, youngerThan: 24m } # PHP; 24m: its session.gc_maxlifetime`,
    '# Of all applications that save their sessions there; to read that directory may take a right (deploy/systemd).',
  ]);
}
