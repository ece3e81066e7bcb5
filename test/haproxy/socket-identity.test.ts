import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseAddress } from '../../agent/haproxy/address.ts';
import { socketIdentity } from '../../agent/haproxy/socket-identity.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

let temp: TempDir;
beforeEach(async () => (temp = await makeTempDir()));
afterEach(() => temp.remove());

const place = (text: string, boot = 'b1'): string => socketIdentity(text, parseAddress(text, 'config'), boot);

describe('The place of a HAProxy', () => {
  test('is its address where other machines have it too', () => {
    expect(place('tcp://10.0.0.12:9999')).toBe('tcp://10.0.0.12:9999');
    expect(place('tls://lb-1.example:9999', 'b2')).toBe('tls://lb-1.example:9999');
  });

  test.each(['tcp://127.0.0.1:9999', 'tcp://[::1]:9999', 'tcp://localhost:9999'])(
    '%s is another one on another machine',
    (text) => {
      expect(place(text)).toBe(place(text));
      expect(place(text, 'b2')).not.toBe(place(text));
    },
  );

  test('of a socket file is that of its directory, also when the socket is made anew, and of no other machine', async () => {
    const socket = `unix:${join(temp.path, 'admin.sock')}`;
    expect(place(socket)).toBe(place(socket));
    expect(place(socket)).toContain(socket);
    expect(place(socket, 'b2')).not.toBe(place(socket));
  });

  test('of a socket file in a directory that is not there, or is another one by now, is like no other', async () => {
    const directory = join(temp.path, 'haproxy');
    const socket = join(directory, 'admin.sock');
    expect(place(socket)).not.toBe(place(socket));
    await mkdir(directory);
    expect(place(socket)).toBe(place(socket));
  });
});
