import { describe, expect, test } from '@jest/globals';
import { configOf, MINIMAL, problemsOf, refuses } from './support.ts';

const regex = (written: string): string => `sessions: [{ http: { url: "http://a", regex: ${written} } }]`;
const series = (written: string): string =>
  `sessions: [{ http: { url: "http://a", prometheus: ${written} } }]`;
const files = (path: string): string => `sessions: [{ files: { path: ${path}, youngerThan: 1m } }]`;
const tomcat = (key: string, value: string): string => {
  const keys = { url: '"http://a/manager"', user: 'u', passwordFile: '/f', context: '/app', [key]: value };
  const text = Object.entries(keys).map((pair) => pair.join(': '));
  return `sessions:\n  - tomcat:\n      ${text.join('\n      ')}`;
};

describe('a regular expression has one group', () => {
  const groups = (count: number): string =>
    `4:46: sessions[0].http.regex: has ${count} groups, put the number alone in ( ) and write (?: ) elsewhere`;
  refuses([
    [regex('n'), groups(0)],
    [regex('"(?:n)"'), groups(0)],
    [regex('"(a)|(b)"'), groups(2)],
    [regex('"(n(1))"'), groups(2)],
    [regex('""'), groups(0)],
    [regex('"(n"'), '4:46: sessions[0].http.regex: is not a regular expression: Unterminated group'],
    [regex('"*(n)"'), '4:46: sessions[0].http.regex: is not a regular expression: Nothing to repeat'],
    [regex("'(\\-n)'"), '4:46: sessions[0].http.regex: is not a regular expression: Invalid escape'],
    [
      regex("'secret: [(1)'"),
      '4:46: sessions[0].http.regex: is not a regular expression: Unterminated character class',
    ],
  ]);
});

describe('a metric of Prometheus is a name with labels', () => {
  const wrong =
    '4:51: sessions[0].http.prometheus: is not a metric such as sessions or sessions{context="/app"}';
  refuses(
    [
      '""',
      '1n',
      "'n m'",
      "'n{'",
      "'n{}}'",
      "'n{a}'",
      "'n{a=b}'",
      `'n{a="b" c="d"}'`,
      `'n{a="b\\c"}'`,
      `'n{a=~"b"}'`,
      `'{a="b"}'`,
    ].map((written) => [series(written), wrong]),
  );
});

describe("Tomcat's manager is given by its parts", () => {
  refuses([
    [tomcat('url', 'ftp://a'), '6:12: sessions[0].tomcat.url: must begin with http:// or https://'],
    [
      tomcat('url', 'http://u:secret@a/manager'),
      '6:12: sessions[0].tomcat.url: names no user, write user and passwordFile',
    ],
    [
      tomcat('url', 'http://a/manager/text?x=1'),
      '6:12: sessions[0].tomcat.url: ends with its path, such as http://127.0.0.1:8080/manager',
    ],
    [
      tomcat('user', '"a:b"'),
      '7:13: sessions[0].tomcat.user: is not the name of a user: it is empty, or holds a colon',
    ],
    [tomcat('passwordFile', 'f'), '8:21: sessions[0].tomcat.passwordFile: must be an absolute path'],
    ...['app', '/app/', '//', '/a*', '/a,b', '/a b', '"/a:b"', '"/a##2"', '""'].map(
      (context) =>
        [
          tomcat('context', context),
          '9:16: sessions[0].tomcat.context: is not the path of a context, write / or for example /app',
        ] as const,
    ),
    [tomcat('via', 'jmx'), '10:12: sessions[0].tomcat.via: expected list or jmxproxy'],
    [
      tomcat('password', 'secret'),
      '10:7: sessions[0].tomcat.password: unknown key, known here: url, user, passwordFile, context, via, lowerExpiry',
    ],
  ]);
});

describe('files are a path with * ? and [...]', () => {
  const wrong = '4:29: sessions[0].files.path: knows only * ? and [...], neither ** nor { } nor a backslash';
  refuses([
    [files('s/a'), '4:29: sessions[0].files.path: must be an absolute path'],
    [files('/s/'), '4:29: sessions[0].files.path: must name a file, not a directory'],
    ...['"/s/**"', '"/s/{a,b}"', "'/s/\\*'", '"/s/[a"', '"/s/[a/b]"'].map(
      (path) => [files(path), wrong] as const,
    ),
  ]);
});

describe('headers of a request over HTTP', () => {
  const http = (headers: string): string =>
    `sessions:\n  - http: { url: "http://a/", headers: ${headers} }\n`;

  test('are names and values, with the environment put in', async () => {
    const text =
      MINIMAL + http('{ Host: "shop.example:8080", Authorization: "Bearer ${TOKEN}", X-Tenant: \'7\' }');
    const { sessions } = await configOf(text, { env: { TOKEN: 'CANARY' } });
    expect(sessions).toMatchObject([
      { headers: { Host: 'shop.example:8080', Authorization: 'Bearer CANARY', 'X-Tenant': '7' } },
    ]);
  });

  test('are none where none are written, at the probe too', async () => {
    const text = `${MINIMAL}app: { probe: { http: { url: "http://a/" } } }\nsessions: [{ http: { url: "http://a/" } }]\n`;
    const { app, sessions } = await configOf(text);
    expect([app.probe?.how, sessions[0]]).toMatchObject([{ headers: {} }, { headers: {} }]);
  });

  const at = 'sessions[0].http.headers';
  refuses([
    ...[
      'Connection',
      'keep-alive',
      'TE',
      'Transfer-Encoding',
      'Content-Length',
      'Upgrade',
      'Accept-Encoding',
    ].map(
      (name) =>
        [
          http(`{ ${name}: x }`),
          `5:42: ${at}.${name}: belongs to the connection or to how the answer is packed, which is not yours to set`,
        ] as const,
    ),
    ...['"X Y"', '"X:"', '"é"', '"__proto__"', '""'].map(
      (name) =>
        [
          http(`{ ${name}: x }`),
          `5:42: ${at}${name === '"__proto__"' ? '.__proto__' : `[${name}]`}: is not the name of a header, write for example X-Tenant, at most 64 characters`,
        ] as const,
    ),
    [http('{ Host: "a b" }'), `5:48: ${at}.Host: is not a host, write NAME or NAME:PORT`],
    [http('{ Host: "http://a/" }'), `5:48: ${at}.Host: is not a host, write NAME or NAME:PORT`],
    [http('{ X-A: 7 }'), `5:47: ${at}.X-A: expected a text, put it in quotes`],
    [http('{ X-A: "" }'), `5:47: ${at}.X-A: must not be empty`],
    [http('{ X-A: 1a, x-a: 2a }'), `5:51: ${at}.x-a: stands here twice`],
    [http('[a]'), `5:40: ${at}: expected a mapping of names to texts, such as { Host: shop.example }`],
    [
      `sessions:\n  - http: { url: "http://u:p@a/", headers: { authorization: x } }\n`,
      `5:44: ${at}: holds Authorization, and the URL names a user: leave one of the two out`,
    ],
  ]);

  test.each(['CANARY\r\nX-Evil: 1', 'CANARY\n', 'CANARY\u0000', 'CANARYé', ' CANARY', 'CANARY\t'])(
    'do not take the value %j, and do not repeat it',
    async (TOKEN) => {
      for (const place of [
        http('{ Authorization: "${TOKEN}" }'),
        `app: { probe: { http: { url: "http://a/", headers: { Authorization: "\${TOKEN}" } } } }\n`,
      ]) {
        const problems = await problemsOf(MINIMAL + place, { env: { TOKEN } });
        expect(problems).not.toEqual([]);
        expect(problems.join()).not.toContain('CANARY');
      }
    },
  );

  test('do not take an empty variable behind a scheme', async () => {
    expect(await problemsOf(MINIMAL + http('{ Authorization: "Bearer ${TOKEN:-}" }'))).toMatchObject([
      expect.stringContaining('is a variable in it empty?'),
    ]);
  });
});
