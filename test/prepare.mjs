// Makes a fresh clone ready to run: npm's packages, HAProxy, the build. Needs nothing but Node and npm, so it is plain
// JavaScript without packages. What is there already is left alone.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, lstatSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** A plain user's PATH often lacks the places where distributions put HAProxy. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/local/sbin`;
const OLDEST = { node: [20, 19], haproxy: [2, 4] };
/** What the demo and the tests run, besides Node. */
const PROGRAMS = ['haproxy', 'setpriv'];
/** The same, which the benchmark (`prepare.mjs --bench`) can do without: it names what is missing. */
const SOCAT = ['socat'];
/** What some tests run besides (`prepare.mjs --tests`). Where one cannot be had, they say that they did not run. */
const TEST_PROGRAMS = [
  'systemd-analyze',
  'shellcheck',
  'ip',
  'openssl',
  'script',
  'docker-compose',
  'fish',
  'zsh',
  'groff',
  'mandoc',
  'puma',
  '/usr/share/doc/ruby-rack',
];
/** What other versions of HAProxy need besides (`prepare.mjs --versions`): their packages are Debian's. */
const VERSIONS_PROGRAMS = ['patchelf'];
/** What the Debian system of test/host shows inside (`prepare.mjs --host`); a file stands for a package without a program. */
const HOST_PROGRAMS = [
  '/sbin/init',
  'dbus-daemon',
  '/usr/lib/polkit-1/polkitd',
  '/usr/libexec/tomcat10/tomcat-start.sh',
  '/usr/share/tomcat10-admin/manager/WEB-INF/web.xml',
  'php',
  'ip',
  'ansible-playbook',
  'ansible-lint',
];
/** How each distribution calls them; the first manager found is used. */
const MANAGERS = [
  {
    program: 'apt-get',
    steps: [
      ['apt-get', 'update', '-qq'],
      ['apt-get', 'install', '-y', '-qq', '--no-install-recommends'],
    ],
    packages: {
      haproxy: 'haproxy',
      socat: 'socat',
      setpriv: 'util-linux',
      'systemd-analyze': 'systemd',
      shellcheck: 'shellcheck',
      ip: 'iproute2',
      openssl: 'openssl',
      script: 'bsdutils',
      'docker-compose': 'docker-compose',
      fish: 'fish',
      zsh: 'zsh',
      groff: 'groff-base',
      mandoc: 'mandoc',
      puma: 'puma',
      '/usr/share/doc/ruby-rack': 'ruby-rack',
      patchelf: 'patchelf',
      '/sbin/init': 'systemd-sysv',
      'dbus-daemon': 'dbus',
      '/usr/lib/polkit-1/polkitd': 'polkitd',
      '/usr/libexec/tomcat10/tomcat-start.sh': 'tomcat10',
      '/usr/share/tomcat10-admin/manager/WEB-INF/web.xml': 'tomcat10-admin',
      php: 'php-cli',
      'ansible-playbook': 'ansible-core',
      'ansible-lint': 'ansible-lint',
    },
  },
  {
    program: 'dnf',
    steps: [['dnf', 'install', '-y', '-q']],
    packages: {
      haproxy: 'haproxy',
      socat: 'socat',
      setpriv: 'util-linux',
      'systemd-analyze': 'systemd',
      shellcheck: 'ShellCheck',
      ip: 'iproute',
      openssl: 'openssl',
      script: 'util-linux',
    },
  },
  {
    program: 'apk',
    steps: [['apk', 'add', '--quiet']],
    packages: {
      haproxy: 'haproxy',
      socat: 'socat',
      setpriv: 'setpriv',
      shellcheck: 'shellcheck',
      ip: 'iproute2',
      openssl: 'openssl',
      script: 'util-linux-misc',
    },
  },
];

/** An end that its message explains. */
class Unready extends Error {}

try {
  checkNode();
  installPackages();
  // `--package` (npm's prepack and prepare): the program alone, which needs no HAProxy to be made.
  if (!process.argv.includes('--package')) {
    installPrograms(PROGRAMS);
    if (process.argv.includes('--bench')) installWherePossible(SOCAT);
    else installPrograms(SOCAT);
    if (process.argv.includes('--tests')) installWherePossible(TEST_PROGRAMS);
    if (process.argv.includes('--versions')) installWherePossible(VERSIONS_PROGRAMS);
    if (process.argv.includes('--host')) installWherePossible(HOST_PROGRAMS);
    checkHaproxy();
    compile();
  }
  bundle();
} catch (error) {
  if (!(error instanceof Unready)) throw error;
  process.stderr.write(`prepare: ${error.message}\n`);
  process.exitCode = 1;
}

function checkNode() {
  if (!isAtLeast(process.versions.node, OLDEST.node)) {
    throw new Unready(`Node ${OLDEST.node.join('.')} or newer is needed, this is ${process.versions.node}`);
  }
}

/** `npm ci` unless the packages are those of the lock file; by their versions, since git gives files any time. */
function installPackages() {
  if (isInstalled()) return;
  // `npm ci` would empty the directory of another clone.
  if (lstatSync(join(ROOT, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new Unready(
      'node_modules is a link, and what it leads to has other packages than package-lock.json',
    );
  }
  say('installing npm packages (npm ci)');
  // Whatever NODE_ENV says: compiler and test runner are development packages. No package's install script runs; in
  // .npmrc `ignore-scripts` would keep our own `prepack` from running, too, and `npm pack` would pack no program.
  if (!run(['npm', 'ci', '--include=dev', '--ignore-scripts']))
    throw new Unready('`npm ci` failed, see above');
}

/** Has npm installed (by node_modules/.package-lock.json) what the lock file wants? */
function isInstalled() {
  const lock = (file) => JSON.parse(readFileSync(join(ROOT, file), 'utf8')).packages;
  const hidden = 'node_modules/.package-lock.json';
  if (!existsSync(join(ROOT, hidden))) return false;
  const [wanted, present] = [lock('package-lock.json'), lock(hidden)];
  return Object.entries(wanted).every(
    // An optional one is for another system, perhaps.
    ([path, { version, optional }]) =>
      path === '' || present[path]?.version === version || (optional === true && !(path in present)),
  );
}

/** One at a time, so that a package that this distribution has not does not keep the others away. */
function installWherePossible(programs) {
  for (const program of programs) {
    try {
      installPrograms([program]);
    } catch (error) {
      if (!(error instanceof Unready)) throw error;
      say(`${error.message} (what needs it will say that it did not run)`);
    }
  }
}

function installPrograms(programs) {
  const missing = programs.filter((program) => !isFound(program));
  if (missing.length === 0) return;
  const manager = MANAGERS.find(({ program }) => isFound(program));
  if (manager === undefined) {
    throw new Unready(
      `${missing.join(', ')} missing, and no apt-get, dnf or apk here: install them, then try again`,
    );
  }
  const packages = missing.map((program) => manager.packages[program]).filter((name) => name !== undefined);
  if (packages.length === 0) throw new Unready(`${manager.program} has no package for ${missing.join(', ')}`);
  say(`installing ${packages.join(', ')} with ${manager.program}`);
  const steps = manager.steps.map((step) => [...step, ...(step.includes('update') ? [] : packages)]);
  const done = steps.every((step) => run([...asRoot(), ...step]));
  if (!done || missing.some((program) => !isFound(program))) {
    const byHand = steps.map((step) => `sudo ${step.join(' ')}`).join(' && ');
    throw new Unready(`could not install ${packages.join(', ')}; as root: ${byHand}`);
  }
}

/** Never a password prompt: where sudo would ask for one it fails, and we say what to do by hand. */
function asRoot() {
  const environment = ['env', 'DEBIAN_FRONTEND=noninteractive'];
  return process.getuid?.() === 0 ? environment : ['sudo', '-n', ...environment];
}

function checkHaproxy() {
  const answer = spawnSync('haproxy', ['-v'], { encoding: 'utf8', env: { ...process.env, PATH } });
  const version = /version (\d+\.\d+)/.exec(answer.stdout ?? '')?.[1];
  if (version === undefined) throw new Unready('`haproxy -v` does not say its version');
  if (!isAtLeast(version, OLDEST.haproxy)) {
    throw new Unready(`HAProxy ${OLDEST.haproxy.join('.')} or newer is needed, this is ${version}`);
  }
}

function compile() {
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  if (!run([process.execPath, compiler])) throw new Unready('the build failed, see above');
}

function bundle() {
  if (!run([process.execPath, join(ROOT, 'agent', 'bundle.mjs')]))
    throw new Unready('the bundle failed, see above');
  if (!run([process.execPath, join(ROOT, 'agent', 'man.mjs')]))
    throw new Unready('the man page failed, see above');
}

/** Runs to the end with our own output; true for exit code 0. Standard output stays free for the next program. */
function run([program, ...args]) {
  const { status } = spawnSync(program, args, {
    cwd: ROOT,
    env: { ...process.env, PATH },
    stdio: ['ignore', process.stderr, process.stderr],
  });
  return status === 0;
}

function isFound(program) {
  if (program.startsWith('/')) return existsSync(program);
  return PATH.split(':').some((folder) => isExecutable(join(folder, program)));
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} version dotted @param {number[]} oldest major and minor */
function isAtLeast(version, [major, minor]) {
  const [ownMajor, ownMinor] = version.split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

function say(text) {
  process.stderr.write(`prepare: ${text}\n`);
}
