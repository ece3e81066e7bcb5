// Makes a Debian package of dist/bundle and the files to deploy (`npm run package:deb`). Needs dpkg-deb, and no root.
//   node deploy/debian/build.mjs [FOLDER]     prints the path of FOLDER/lastcall_VERSION_all.deb; FOLDER is dist/
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(dirname(HERE));
const BUNDLE = join(ROOT, 'dist', 'bundle');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** Where each completion belongs (`lastcall completion SHELL`). */
const COMPLETIONS = {
  bash: 'usr/share/bash-completion/completions/lastcall',
  zsh: 'usr/share/zsh/vendor-completions/_lastcall',
  fish: 'usr/share/fish/vendor_completions.d/lastcall.fish',
};
/** What of deploy/ makes packages and is for no user of one. */
const MAKERS = ['debian', 'container'];
/** A tar of Debian 12, and of older ones, reads it. */
const COMPRESSION = '-Zxz';

/** In seconds since 1970. */
const SOURCE_DATE = process.env.SOURCE_DATE_EPOCH ?? sourceDate();

const out = resolve(process.argv[2] ?? join(ROOT, 'dist'));
mkdirSync(out, { recursive: true });
const tree = mkdtempSync(join(out, 'deb-'));
try {
  chmodSync(tree, 0o755);
  addProgram();
  addSystemFiles();
  addPages();
  addSamples();
  addControl();
  process.stdout.write(`${build()}\n`);
} finally {
  rmSync(tree, { recursive: true, force: true });
}

/** Debian's own Node, whatever else is on PATH: the dependency is on that one. */
function addProgram() {
  for (const path of filesBelow(BUNDLE)) {
    const text = readFileSync(join(BUNDLE, path), 'utf8').replace(/^#!.*/, '#!/usr/bin/node');
    if (path !== 'THIRD-PARTY.txt')
      put(`usr/lib/lastcall/${path}`, text, path === 'lastcall.cjs' ? 0o755 : 0o644);
  }
  link('usr/bin/lastcall', '../lib/lastcall/lastcall.cjs');
}

function addSystemFiles() {
  for (const unit of ['lastcall.service', 'lastcall.target']) {
    copy(`deploy/systemd/${unit}`, `usr/lib/systemd/system/${unit}`);
  }
  copy('deploy/tmpfiles.d/lastcall.conf', 'usr/lib/tmpfiles.d/lastcall.conf');
  for (const [shell, path] of Object.entries(COMPLETIONS)) {
    const program = join(BUNDLE, 'lastcall.cjs');
    put(path, execFileSync(process.execPath, [program, 'completion', shell], { encoding: 'utf8' }));
  }
  // Empty: no configuration is right for every machine.
  mkdirSync(join(tree, 'etc', 'lastcall'), { recursive: true });
}

/** Manual pages are those that the build has left in dist/man. */
function addPages() {
  const man = join(ROOT, 'dist', 'man');
  for (const page of existsSync(man) ? readdirSync(man) : []) {
    put(`usr/share/man/man${page.at(-1)}/${page}.gz`, gzipSync(readFileSync(join(man, page)), { level: 9 }));
  }
  const doc = 'usr/share/doc/lastcall';
  for (const page of ['README.md', 'SECURITY.md', 'agent/control/API.md', 'haproxy/BEHAVIOUR.md']) {
    copy(page, `${doc}/${page.split('/').at(-1)}`);
  }
  put(`${doc}/CHANGELOG.md.gz`, gzipSync(readFileSync(join(ROOT, 'CHANGELOG.md')), { level: 9 }));
  put(`${doc}/changelog.gz`, gzipSync(debianChangelog(), { level: 9 }));
  const licences = [join(ROOT, 'LICENSE'), join(BUNDLE, 'THIRD-PARTY.txt')];
  put(`${doc}/copyright`, licences.map((file) => readFileSync(file, 'utf8')).join('\n'));
}

/** In the form that Debian's tools read. */
function debianChangelog() {
  const maintainer = /^Maintainer: (.*)$/m.exec(readFileSync(join(HERE, 'control'), 'utf8'))[1];
  const date = new Date(Number(SOURCE_DATE) * 1000).toUTCString().replace('GMT', '+0000');
  return `lastcall (${version}) stable; urgency=medium\n\n  * CHANGELOG.md.gz beside this file says what is new.\n\n -- ${maintainer}  ${date}\n`;
}

/** Below the names that the pages and messages use: `deploy/polkit` is /usr/share/lastcall/deploy/polkit. */
function addSamples() {
  for (const folder of ['deploy', 'haproxy']) {
    for (const path of filesBelow(join(ROOT, folder))) {
      if (!MAKERS.includes(path.split('/')[0]))
        copy(`${folder}/${path}`, `usr/share/lastcall/${folder}/${path}`);
    }
  }
  link('usr/share/doc/lastcall/examples', '../../lastcall');
}

function addControl() {
  const paths = filesBelow(tree);
  const sums = paths.map(
    (path) =>
      `${createHash('md5')
        .update(readFileSync(join(tree, path)))
        .digest('hex')}  ${path}\n`,
  );
  const bytes = paths.reduce((sum, path) => sum + statSync(join(tree, path)).size, 0);
  put('DEBIAN/md5sums', sums.join(''));
  put(
    'DEBIAN/control',
    readFileSync(join(HERE, 'control'), 'utf8')
      .replace('${version}', version)
      .replace('${size}', String(Math.ceil(bytes / 1024))),
  );
  for (const script of ['postinst', 'prerm', 'postrm']) {
    put(`DEBIAN/${script}`, readFileSync(join(HERE, script)), 0o755);
  }
}

function build() {
  const file = join(out, `lastcall_${version}_all.deb`);
  execFileSync('dpkg-deb', ['--build', '--root-owner-group', COMPRESSION, tree, file], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: SOURCE_DATE },
  });
  return file;
}

/** The time of the last commit, in seconds, so that the same sources make the same bytes; without git that of now. */
function sourceDate() {
  const { stdout } = spawnSync('git', ['-C', ROOT, 'log', '-1', '--format=%ct'], { encoding: 'utf8' });
  return /^\d+$/.exec(stdout?.trim() ?? '')?.[0] ?? String(Math.floor(Date.now() / 1000));
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)))
    .toSorted();
}

function put(path, contents, mode = 0o644) {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), contents);
  chmodSync(join(tree, path), mode);
}

function link(path, target) {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  symlinkSync(target, join(tree, path));
}

function copy(from, to) {
  cpSync(join(ROOT, from), join(tree, to));
  chmodSync(join(tree, to), statSync(join(ROOT, from)).mode & 0o111 ? 0o755 : 0o644);
}
