import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tomcatContexts } from '../../agent/init/tomcat-contexts.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

let base: TempDir;
beforeEach(async () => {
  base = await makeTempDir();
});
afterEach(() => base.remove());

const contexts = (...args: readonly string[]): readonly string[] =>
  tomcatContexts({ pid: 2, program: 'java', args, unit: null, supervisor: null });

test('The contexts of a Tomcat are those of its webapps, without its own', async () => {
  const webapps = join(base.path, 'webapps');
  for (const name of ['ROOT', 'shop', 'shop#api', 'manager', 'bad name\nx']) {
    await mkdir(join(webapps, name), { recursive: true });
  }
  for (const name of ['shop.war', 'old##2.war', 'notes.txt']) await writeFile(join(webapps, name), '');
  expect(contexts(`-Dcatalina.base=${base.path}`)).toEqual(['/', '/old', '/shop', '/shop/api']);
});

test('They are unknown where its directory is not there, and for another program', () => {
  expect(contexts(`-Dcatalina.base=${join(base.path, 'none')}`)).toEqual([]);
  expect(contexts('-Dcatalina.base=relative')).toEqual([]);
  expect(contexts('-jar', 'app.jar')).toEqual([]);
  expect(tomcatContexts(null)).toEqual([]);
});
