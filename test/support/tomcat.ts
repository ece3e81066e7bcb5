import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errnoOf, messageOf } from '../../agent/system/error.ts';
import { unpackDebian, type Unpacked } from './debian.ts';
import { freePort } from './ports.ts';
import { packageRoot } from './sample.ts';
import { makeTempDir } from './tempdir.ts';

const execute = promisify(execFile);

/** Tomcat 10 of Debian with the stateful application of test/fixtures/webapp, in a directory of its own. */
export interface Tomcat {
  readonly dir: string;
  readonly port: number;
  readonly url: string;
  /** Its manager, where `USER` may ask. */
  readonly manager: string;
  readonly pidFile: string;
  /** Starts it in the background, as a service does: answered once the process runs. */
  readonly startCommand: readonly string[];
  start(): Promise<void>;
  /** Resolves once the application's pages are compiled and answer. */
  untilServing(): Promise<void>;
  /** Visits the application as a new user; `idle`: seconds until that session dies unused. */
  visit(context: string, idle?: number): Promise<void>;
  /** One question to the manager, as the test's own. */
  ask(path: string): Promise<string>;
  /** Its processes now. */
  pids(): number[];
  /** Kills it and removes its directory. Safe to call at any time. */
  close(): Promise<void>;
}

/** A user that may ask the manager for everything, and one only for the list. */
export const USER = { user: 'counter', password: 'pä ss:%wo"rd' } as const;
export const LIST_USER = { user: 'lister', password: 'lister' } as const;

const PACKAGES = [
  'tomcat10',
  'tomcat10-common',
  'libtomcat10-java',
  'tomcat10-admin',
  'libeclipse-jdt-core-java',
];
/** Compiles quickly rather than well: these instances live for seconds. */
const JAVA = '-Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true';

/** Tomcat's files, downloaded on the first run; `missing` names what this machine lacks. */
export async function unpackTomcat(): Promise<Unpacked> {
  try {
    await execute('java', ['-version']);
  } catch (error) {
    return { missing: `no Java here: ${messageOf(error)}` };
  }
  const unpacked = await unpackDebian('tomcat10', PACKAGES, 'usr/share/tomcat10/bin/catalina.sh');
  if ('root' in unpacked) {
    // The compiler of JSPs, which Debian does not link into Tomcat's folder.
    const link = join(unpacked.root, 'usr/share/tomcat10/lib/ecj.jar');
    await symlink('../../java/eclipse-jdt-core.jar', link).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error;
    });
  }
  return unpacked;
}

/**
 * Describes an instance; nothing runs before `start`.
 * @param contexts the paths at which the application is deployed, such as `/` or `/legacy`
 */
export async function createTomcat(root: string, contexts: readonly string[]): Promise<Tomcat> {
  const temp = await makeTempDir();
  const dir = temp.path;
  const port = await freePort();
  await layOut(root, dir, port, contexts);
  const url = `http://127.0.0.1:${port}`;
  const home = join(root, 'usr/share/tomcat10');
  const pidFile = join(dir, 'tomcat.pid');
  const environment = [`CATALINA_HOME=${home}`, `CATALINA_BASE=${dir}`, `CATALINA_PID=${pidFile}`];
  const catalina = join(home, 'bin/catalina.sh');
  // Without the old pid file: catalina.sh does not start beside a zombie, and a container's process 1 may reap late.
  const script = 'rm -f "$CATALINA_PID"; exec "$0" start';
  const startCommand = ['env', ...environment, `CATALINA_OPTS=${JAVA}`, 'sh', '-c', script, catalina];
  const ask = async (path: string): Promise<string> => {
    // ISO 8859-1, as Tomcat reads it.
    const credentials = Buffer.from(`${USER.user}:${USER.password}`, 'latin1').toString('base64');
    const answer = await fetch(`${url}/manager${path}`, {
      headers: { authorization: `Basic ${credentials}` },
    });
    return answer.text();
  };
  return {
    dir,
    port,
    url,
    manager: `${url}/manager`,
    pidFile,
    startCommand,
    async start() {
      await execute(startCommand[0] ?? '', startCommand.slice(1));
    },
    async untilServing() {
      const late = performance.now() + 50_000;
      while (!(await serves(url, contexts))) {
        if (performance.now() > late) throw new Error(`Tomcat does not serve: ${await log(dir)}`);
        await sleep(50);
      }
    },
    async visit(context, idle) {
      const path = `${context === '/' ? '' : context}/${idle === undefined ? '' : `?idle=${idle}`}`;
      const answer = await fetch(`${url}${path}`);
      if (!answer.ok) throw new Error(`status ${answer.status}: ${await answer.text()}`);
      await answer.arrayBuffer();
    },
    ask,
    pids: () => processesOf(dir),
    async close() {
      for (let pids = processesOf(dir); pids.length > 0; pids = processesOf(dir)) {
        for (const pid of pids) kill(pid);
        await sleep(10);
      }
      await temp.remove();
    },
  };
}

async function layOut(root: string, dir: string, port: number, contexts: readonly string[]): Promise<void> {
  const share = join(root, 'usr/share');
  for (const name of ['logs', 'temp', 'webapps', 'work']) await mkdir(join(dir, name));
  await cp(join(share, 'tomcat10/etc'), join(dir, 'conf'), { recursive: true });
  const properties = join(dir, 'conf/catalina.properties');
  const text = await readFile(properties, 'utf8');
  // There are no annotations to be found in Tomcat's own jars, and looking for them takes five seconds.
  await writeFile(properties, `${text}\ntomcat.util.scan.StandardJarScanFilter.jarsToSkip=*.jar\n`);
  await writeFile(join(dir, 'conf/server.xml'), SERVER.replace('PORT', String(port)));
  await writeFile(join(dir, 'conf/tomcat-users.xml'), USERS);
  await cp(join(share, 'tomcat10-admin/manager'), join(dir, 'webapps/manager'), { recursive: true });
  for (const context of contexts) {
    const name = context === '/' ? 'ROOT' : context.slice(1);
    await cp(join(packageRoot(), 'test/fixtures/webapp'), join(dir, 'webapps', name), { recursive: true });
  }
}

/** Looks for expired sessions every 6 seconds: background work once a second, expiry at every sixth. */
const SERVER = `<?xml version="1.0" encoding="UTF-8"?>
<Server port="-1">
  <GlobalNamingResources>
    <Resource name="UserDatabase" auth="Container" type="org.apache.catalina.UserDatabase"
      factory="org.apache.catalina.users.MemoryUserDatabaseFactory" pathname="conf/tomcat-users.xml" />
  </GlobalNamingResources>
  <Service name="Catalina">
    <Connector port="PORT" address="127.0.0.1" />
    <Engine name="Catalina" defaultHost="localhost" backgroundProcessorDelay="1">
      <Realm className="org.apache.catalina.realm.UserDatabaseRealm" resourceName="UserDatabase" />
      <Host name="localhost" appBase="webapps" autoDeploy="false" />
    </Engine>
  </Service>
</Server>
`;

const USERS = `<?xml version="1.0" encoding="UTF-8"?>
<tomcat-users xmlns="http://tomcat.apache.org/xml" version="1.0">
  <user username="${USER.user}" password="${USER.password.replaceAll('"', '&quot;')}" roles="manager-script,manager-jmx" />
  <user username="${LIST_USER.user}" password="${LIST_USER.password}" roles="manager-script" />
</tomcat-users>
`;

async function serves(url: string, contexts: readonly string[]): Promise<boolean> {
  try {
    for (const context of contexts) {
      const base = `${url}${context === '/' ? '' : context}`;
      // The page is compiled at its first visit; leaving at once keeps the count at zero.
      for (const page of ['/health', '/logout']) if (!(await fetch(`${base}${page}`)).ok) return false;
    }
    return true;
  } catch {
    return false;
  }
}

async function log(dir: string): Promise<string> {
  return readFile(join(dir, 'logs/catalina.out'), 'utf8').catch(messageOf);
}

function processesOf(dir: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return words.some((word) => word === `-Dcatalina.base=${dir}` || word === `CATALINA_BASE=${dir}`);
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return false;
      throw error;
    }
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
