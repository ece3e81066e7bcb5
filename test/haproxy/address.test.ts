import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseAddress } from '../../agent/haproxy/address.ts';
import { refusalOf } from '../support/outcome.ts';

describe('the address of a Runtime API', () => {
  test.each([
    ['unix:/run/haproxy/admin.sock', { kind: 'unix', path: '/run/haproxy/admin.sock' }],
    ['/run/haproxy/admin.sock', { kind: 'unix', path: '/run/haproxy/admin.sock' }],
    ['tcp://10.0.0.12:9999', { kind: 'tcp', host: '10.0.0.12', port: 9999 }],
    ['tcp://lb-1.example:1', { kind: 'tcp', host: 'lb-1.example', port: 1 }],
    ['tls://lb-1.example:9999', { kind: 'tls', host: 'lb-1.example', port: 9999 }],
    ['tcp://[::1]:65535', { kind: 'tcp', host: '::1', port: 65535 }],
  ])('%s is read', (text, address) => {
    expect(parseAddress(text, 'usage')).toEqual(address);
  });

  test.each([
    'tls://10.0.0.12',
    'http://10.0.0.12:9999',
    'unix:relative.sock',
    'admin.sock',
    '',
    'tcp://host',
    'tcp://host:0',
    'tcp://host:65536',
    'tcp://user@host:1',
    'tcp://host:1/path',
    'tcp://::1:9999',
    '/run/a\nb.sock',
    '/run/a\0b.sock',
    `/${'x'.repeat(107)}`,
  ])('%j is refused with the code that the caller chose', async (text) => {
    expect(await refusalOf(() => parseAddress(text, 'usage'))).toMatchObject({ code: 'usage' });
    const refusal = await refusalOf(() => parseAddress(text, 'config'));
    expect(refusal).toMatchObject({ code: 'config', target: JSON.stringify(text) });
    expect(refusal.next).toContain('tcp://host:port');
  });

  test('a path of 107 bytes is the longest', () => {
    const path = `/${'x'.repeat(106)}`;
    expect(parseAddress(path, 'config')).toEqual({ kind: 'unix', path });
  });

  test('any text is an address or a refusal that fits on one line', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
        const refusal = await refusalOf(() => parseAddress(`tcp://${text} `, 'config'));
        expect(refusal.message).not.toMatch(/\n/);
      }),
    );
  });
});
