import { describe, expect, test } from '@jest/globals';
import { parseHaproxyFile } from '../../agent/doctor/haproxy-file/file.ts';
import {
  backendOf,
  checkRequest,
  hasFlag,
  linesFor,
  optionLine,
  serverSettings,
  timeMs,
  valueOf,
} from '../../agent/doctor/haproxy-file/settings.ts';
import { splitLine } from '../../agent/doctor/haproxy-file/split-line.ts';

describe('A line is split as HAProxy does', () => {
  test.each([
    ['  server a 1.2.3.4:80  check # why', ['server', 'a', '1.2.3.4:80', 'check']],
    ['http-check send hdr Host "a b"', ['http-check', 'send', 'hdr', 'Host', 'a b']],
    [String.raw`bind a\ b 'c\d # e'`, ['bind', 'a b', String.raw`c\d # e`]],
    [String.raw`log "say \"x\"" \#1`, ['log', 'say "x"', '#1']],
    ['server "${APP1}"', ['server', '${APP1}']],
    ['errorfile ""', ['errorfile', '']],
    ['   # nothing', []],
    ['log "open', null],
  ])('%s', (line, words) => {
    expect(splitLine(line)).toEqual(words);
  });
});

const FILE = parseHaproxyFile(
  'haproxy.cfg',
  `global
  stats maxconn 4
defaults base
  option redispatch
  option persist
  default-server check inter 2s slowstart 30s
defaults
  timeout check 5s
backend plain
  server one 127.0.0.1:1
backend named from base
  no option persist
  server one 127.0.0.1:1 no-check
  default-server inter 9s
  server two 127.0.0.1:1 cookie check
  server-template app 3 127.0.0.1:1 weight 7
backend base2 from base
.if feature(OPENSSL)
  use-server one if TRUE
.endif
  server one 127.0.0.1:1 agent-check agent-inter \${INTER}
listen both
  option httpchk HEAD /up
  server one 127.0.0.1:1
`,
);

function at(backend: string): ReturnType<typeof linesFor> {
  const section = backendOf(FILE, backend);
  if (section === null) throw new Error(`no backend ${backend}`);
  return linesFor(FILE, section);
}

function server(backend: string, name: string): NonNullable<ReturnType<typeof serverSettings>> {
  const settings = serverSettings(at(backend), name);
  if (settings === null) throw new Error(`no server ${name}`);
  return settings;
}

describe('haproxy.cfg', () => {
  test('a section inherits the defaults that it names, or the last ones before it', () => {
    expect(optionLine(at('plain'), 'redispatch')).toBeNull();
    expect(optionLine(at('named'), 'redispatch')?.number).toBe(4);
    expect(optionLine(at('named'), 'persist')).toBeNull();
    expect(optionLine(at('base2'), 'persist')?.number).toBe(5);
  });

  test('default-server holds for the servers below it, those of a template too', () => {
    expect(hasFlag(server('named', 'one'), 'check')).toBe(false);
    expect(valueOf(server('named', 'one'), 'inter')).toBe('2s');
    expect(hasFlag(server('named', 'two'), 'check')).toBe(true);
    expect(valueOf(server('named', 'two'), 'inter')).toBe('9s');
    expect(valueOf(server('named', 'app3'), 'weight')).toBe('7');
    expect(valueOf(server('named', 'app3'), 'slowstart')).toBe('30s');
    expect(serverSettings(at('named'), 'apple')).toBeNull();
    expect(serverSettings(at('plain'), 'two')).toBeNull();
  });

  test('what stands in an .if is kept and marked', () => {
    const line = at('base2').find(({ words }) => words[0] === 'use-server');
    expect(line).toMatchObject({ conditional: true, number: 19 });
    expect(timeMs(valueOf(server('base2', 'one'), 'agent-inter') ?? '')).toBeNull();
  });

  test('the request of a health check', () => {
    const lines = (text: string): Parameters<typeof checkRequest>[0] =>
      text
        .split('\n')
        .map((line, index) => ({ words: splitLine(line) ?? [], number: index + 1, conditional: false }));
    expect(checkRequest(at('plain'))).toBeNull();
    expect(checkRequest(at('both'))).toEqual({ method: 'HEAD', uri: '/up', host: null });
    expect(checkRequest(lines('option httpchk'))).toEqual({ method: 'OPTIONS', uri: '/', host: null });
    expect(checkRequest(lines('option httpchk /x'))).toEqual({ method: 'OPTIONS', uri: '/x', host: null });
    expect(
      checkRequest(lines('option httpchk\nhttp-check send meth GET uri /h ver HTTP/1.1 hdr Host shop')),
    ).toEqual({ method: 'GET', uri: '/h', host: 'shop' });
  });

  test('a quote that is not closed, and lines before the first section, are reported as unread', () => {
    const { unread, sections } = parseHaproxyFile('x', 'maxconn 3\nglobal\n  log "a\n  daemon\n');
    expect(unread).toEqual([1, 3]);
    expect(sections[0]?.lines.map(({ words }) => words[0])).toEqual(['daemon']);
  });

  test.each([
    ['2s', 2_000],
    ['500', 500],
    ['1h', 3_600_000],
    ['${INTER}', null],
    ['', null],
  ])('the time %s', (text, ms) => {
    expect(timeMs(text)).toBe(ms);
  });
});
