import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../agent/system/error.ts';
import { cached, type Found, Missing } from './cache.ts';

// Other HAProxys to test with, from Debian's own packages of other releases: no build, and nothing is installed. Each
// runs with its own libc and libraries, so that its master can execute itself again. Needs apt-get, dpkg and patchelf
// (`node test/prepare.mjs --versions` installs it), and the Debian mirror that this machine's apt already uses.

/** The release of Debian and the branch of HAProxy that it had in November 2026. */
export const SUITES: readonly { readonly suite: string; readonly branch: string }[] = [
  { suite: 'bullseye', branch: '2.2' },
  { suite: 'trixie', branch: '3.0' },
  { suite: 'sid', branch: '3.2' },
];
const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg';
const PATIENCE_MS = 180_000;

/**
 * Brings the HAProxy of one release.
 * @param suite name of the release
 * @returns where `haproxy` is, and its version
 * @throws Missing with the reason
 */
export function bringHaproxy(suite: string): Found {
  return cached(join('haproxies', suite), (dir) => bring(suite, dir), versionOf);
}

/** The HAProxy that this machine has installed. @throws Missing */
export function installedHaproxy(): Found {
  const dirs = searchPath().split(':');
  const dir = dirs.find((one) => existsSync(join(one, 'haproxy')));
  if (dir === undefined) throw new Missing('no haproxy is on PATH');
  return { dir, version: versionOf(dir), note: null };
}

function bring(suite: string, dir: string): void {
  const options = aptOf(suite, join(dir, 'apt'));
  run('apt-get', [...options, '-o', 'APT::Update::Error-Mode=any', 'update']);
  const listing = run('apt-get', [...options, 'install', '--print-uris', '-y', 'haproxy']);
  const packages = librariesIn(listing);
  if (!packages.includes('haproxy')) throw new Missing(`${suite} has no package haproxy`);
  const debs = join(dir, 'debs');
  mkdirSync(debs);
  run('apt-get', [...options, 'download', ...packages], debs);
  const root = join(dir, 'root');
  for (const deb of readdirSync(debs)) run('dpkg', ['-x', join(debs, deb), root]);
  patch(root);
  symlinkSync(join(root, 'usr', 'sbin', 'haproxy'), join(dir, 'haproxy'));
  for (const rest of ['apt', 'debs']) rmSync(join(dir, rest), { recursive: true });
}

/** Options for an apt of its own that believes in an empty system, and that does not need root. */
function aptOf(suite: string, dir: string): string[] {
  const list = join(dir, 'sources.list');
  mkdirSync(join(dir, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(dir, 'cache', 'archives', 'partial'), { recursive: true });
  writeFileSync(list, `deb [signed-by=${KEYS}] ${mirror()} ${suite} main\n`);
  const settings = {
    'Dir::Etc::SourceList': list,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(dir, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(dir, 'cache'),
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
  };
  return ['-qq', ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}

/** The Debian mirror of this machine's apt. */
function mirror(): string {
  const parts = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list', ...namesIn(parts).map((name) => join(parts, name))];
  const lines = files
    .filter((file) => /\.(?:list|sources)$/.test(file))
    .flatMap((file) => textOf(file).split('\n'));
  const uris = lines.flatMap((line) =>
    /^(?:URIs:|deb )/.test(line) ? (line.match(/https?:\/\/\S+\/debian\/?(?=\s|$)/g) ?? []) : [],
  );
  if (uris[0] === undefined) throw new Missing('there is no Debian mirror in this machine’s apt sources');
  return uris[0];
}

/** HAProxy and the libraries that apt would install with it on an empty system, its libc included. */
function librariesIn(listing: string): string[] {
  const names = listing.split('\n').map((line) => /^\S+ ([a-z0-9.+-]+)_/.exec(line)?.[1] ?? '');
  return names.filter((name) => /^(?:haproxy|zlib1g|lib.*)$/.test(name) && !name.endsWith('-common'));
}

/** The binary shall run with the loader and the libraries that came with it. */
function patch(root: string): void {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const shared = files.filter(({ name }) => /\.so(?:\.|$)/.test(name));
  const loader = shared.find(({ name }) => /^ld-(?:linux.*\.so|\d.*\.so)/.test(name));
  if (loader === undefined) throw new Missing('its packages have no loader (ld-linux)');
  const paths = [...new Set(shared.map(({ parentPath }) => parentPath))].join(':');
  const interpreter = join(loader.parentPath, loader.name);
  const binary = join(root, 'usr', 'sbin', 'haproxy');
  run('patchelf', ['--set-interpreter', interpreter, '--force-rpath', '--set-rpath', paths, binary]);
}

function versionOf(dir: string): string {
  const said = run(join(dir, 'haproxy'), ['-v']);
  const version = /^HA-?Proxy version (\d[\w.]*)/m.exec(said)?.[1];
  if (version === undefined) throw new Missing(`\`haproxy -v\` does not say its version: ${said}`);
  return version;
}

/** Its standard output. */
function run(program: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', PATH: searchPath() },
    timeout: PATIENCE_MS,
  });
  if (errnoOf(error) === 'ENOENT') throw new Missing(`${program} is not installed`);
  if (status === 0) return stdout;
  const why = (stderr ?? '').trim().split('\n').slice(0, 3).join('; ');
  throw new Missing(`${program} failed: ${why || String(error?.message ?? status)}`);
}

/** A plain user's PATH often lacks the places where distributions put HAProxy. */
function searchPath(): string {
  return `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/local/sbin`;
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
