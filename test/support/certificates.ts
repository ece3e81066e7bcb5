import { execFile } from 'node:child_process';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** A certificate and its key, as files in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of the test's own. */
export interface Authority {
  readonly ca: string;
  /**
   * @param names `DNS:localhost`, `IP:127.0.0.1`
   * @param days how long it is valid; a negative number has passed already
   */
  issue(name: string, names: string, days?: number): Promise<Certificate>;
}

/** Made by `openssl` in that directory. */
export async function createAuthority(dir: string, name: string): Promise<Authority> {
  const file = (part: string): string => join(dir, `${name}-${part}`);
  const openssl = async (...args: readonly string[]): Promise<void> => void (await execute('openssl', args));
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const ca = file('ca.pem');
  const caKey = file('ca.key');
  await openssl(
    'req',
    '-x509',
    ...newKey,
    '-subj',
    `/CN=${name}`,
    '-days',
    '2',
    '-keyout',
    caKey,
    '-out',
    ca,
  );
  return {
    ca,
    async issue(of, names, days = 1) {
      const [key, request, cert, extensions] = ['key', 'csr', 'pem', 'ext'].map((end) =>
        file(`${of}.${end}`),
      );
      if (!key || !request || !cert || !extensions) throw new Error('no file names');
      await appendFile(extensions, `subjectAltName=${names}\n`);
      await openssl('req', ...newKey, '-subj', `/CN=${of}`, '-keyout', key, '-out', request);
      const by = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-extfile', extensions, '-days', `${days}`];
      await openssl('x509', '-req', '-in', request, ...by, '-out', cert);
      return { cert, key };
    },
  };
}

/** One file with both, as HAProxy's `crt` wants it. */
export async function bundle({ cert, key }: Certificate): Promise<string> {
  const both = `${cert}.both`;
  for (const part of [cert, key]) await appendFile(both, await readFile(part));
  return both;
}
