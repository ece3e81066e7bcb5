import type { Status } from '../../agent/lifecycle/model/api.ts';
import { textOf } from '../support/repository.ts';
import { packageRoot } from '../support/sample.ts';
import { until } from '../support/until.ts';
import { type Box, openBox, type BoxOutcome } from './box.ts';
import { type Crowd, startCrowd } from './crowd-outside.ts';

// A stock Debian machine with the shipped files of lastcall: what an operator has after following the pages.

/** `started`, and the milliseconds since 1970 of each good answer to a probe. */
export const HEALTH_LOG = '/var/lib/app1/health.log';
/** A line for each SIGTERM: the sessions that lived then, those that were ever made, and the pid. */
export const TERM_LOG = '/var/lib/app1/term.log';

/** Which application is app1: Debian's tomcat10.service, or a small one that starts at once (`app1.service`). */
export type App = 'tomcat10' | 'app1';

/** The machine, with lastcall as the user `lastcall` beside the stock HAProxy and two servers of the application. */
export interface Stock {
  readonly box: Box;
  readonly app: App;
  /** `lastcall WORDS` as root. */
  lastcall(...words: readonly string[]): Promise<BoxOutcome>;
  status(): Promise<Status>;
  /** Resolves once app1 serves and HAProxy sends users to both. */
  untilServing(): Promise<void>;
  /** Resolves with the status once `is` holds of it. */
  untilStatus(what: string, is: (status: Status) => boolean): Promise<Status>;
  /** Lets users in: by default forty at once who stay for four seconds, ten new ones each second. */
  crowd(population?: number, stayMs?: number): Promise<Crowd>;
  /** Writes lastcall.yaml anew, with `more` in it; a running sidecar keeps the old one. */
  configure(more: string): Promise<void>;
  /** Lines of the unit's journal, each with its time in milliseconds since 1970. */
  journal(unit: string): Promise<readonly Entry[]>;
}

export interface Entry {
  readonly at: number;
  readonly text: string;
}

/** It is slow to start, and writes down each probe and what it has lost at its end. */
const APP1 = `--warm-ms 1500 --health-log ${HEALTH_LOG} --term-log ${TERM_LOG}`;
const FIXTURES = '/run/in/checkout/dist/test/fixtures';

/** How a package comes into the machine. */
export interface Installer {
  /** Installs the package, its user and the unit of the sidecar; starts nothing. */
  readonly install: (box: Box) => Promise<void>;
  /** Where the package has the files of `deploy/`, inside. */
  readonly deploy: string;
}

/**
 * Boots a machine and installs everything.
 * @param more what stands in lastcall.yaml besides
 * @param binds what is seen inside besides, HOSTDIR:MOUNTPOINT each
 */
export async function openStock(
  app: App,
  more = '',
  binds: readonly string[] = [],
  { install, deploy }: Installer = NPM,
): Promise<Stock> {
  const prefix = process.env['LASTCALL_PACKAGE'];
  if (prefix === undefined)
    throw new Error('run these tests by `npm run test:host`, which installs the package');
  const box = await openBox([`${prefix}:/run/in/prefix`, `${packageRoot()}:/run/in/checkout`, ...binds]);
  try {
    await install(box);
    await installHaproxy(box, app);
    await (app === 'tomcat10' ? installTomcat(box) : installApp(box, 'app1', 8080, APP1));
    await installApp(box, 'app2', 8081);
    await installSidecar(box, app, deploy, more);
    await box.sh(`systemctl daemon-reload
      systemctl enable --quiet haproxy ${app} app2 lastcall
      systemctl start haproxy ${app} app2 lastcall`);
    return describeStock(box, app);
  } catch (error) {
    await box.close();
    throw error;
  }
}

function describeStock(box: Box, app: App): Stock {
  const lastcall = (...words: readonly string[]): Promise<BoxOutcome> => box.run(['lastcall', ...words]);
  const status = async (): Promise<Status> => {
    const { stdout } = await lastcall('status', '--json');
    return JSON.parse(stdout) as Status;
  };
  const untilStatus = (what: string, is: (status: Status) => boolean): Promise<Status> =>
    until(what, async () => {
      const { code, stdout } = await lastcall('status', '--json');
      if (code !== 0) return false;
      const now = JSON.parse(stdout) as Status;
      return is(now) && now;
    });
  return {
    box,
    app,
    lastcall,
    status,
    untilStatus,
    async untilServing() {
      await untilStatus('app1 serves', ({ phase, balancers }) => {
        const servers = balancers.flatMap((balancer) => balancer.servers);
        return (
          phase === 'serving' && servers.every((one) => one.admin === 'ready' && one.operational === 'up')
        );
      });
      await until('both servers are up', async () => {
        const text = await box.sh(
          `echo 'show stat app 4 -1' | socat - /run/haproxy/admin.sock | grep -c ',UP,' || true`,
        );
        return text === '2';
      });
    },
    crowd: (population, stayMs) => startCrowd(box, population, stayMs),
    configure: (more) => box.write('/etc/lastcall/lastcall.yaml', configuration(app, more)),
    async journal(unit) {
      const { stdout } = await box.run(['journalctl', '-u', unit, '-o', 'short-unix', '--no-pager', '-q']);
      return stdout
        .split('\n')
        .map((line) => /^(\d+\.\d+) \S+ (.*)$/.exec(line))
        .flatMap((found) => (found === null ? [] : [{ at: Number(found[1]) * 1_000, text: found[2] ?? '' }]));
    },
  };
}

/** What `npm install --global` does on a machine whose Node is in /usr, and what the head of lastcall.service says. */
export const NPM: Installer = {
  deploy: '/usr/lib/node_modules/lastcall/deploy',
  async install(box) {
    await box.sh(`cp -a /run/in/prefix/. /usr/
      test -e /usr/bin/node || ln -s ${process.execPath} /usr/bin/node
      useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin lastcall
      usermod --append --groups haproxy lastcall
      cd ${NPM.deploy}/systemd && cp lastcall.service lastcall.target /etc/systemd/system/`);
  },
};

const MASTER_SOCKET = `echo 'EXTRAOPTS="-S /run/haproxy/master.sock,mode,660,group,haproxy"' >>/etc/default/haproxy`;

/** Debian's own configuration, with the site below it, and unless it is to be `stock` a master socket for the group haproxy. */
export async function installHaproxy(box: Box, app: App | 'stock'): Promise<void> {
  await box.sh(`cat >>/etc/haproxy/haproxy.cfg <<'END'
frontend www
	bind 127.0.0.1:80
	default_backend app
backend app
	balance roundrobin
	cookie SRV insert indirect nocache
${app === 'tomcat10' ? '	option httpchk GET /health' : ''}
	server app1 127.0.0.1:8080 check cookie app1
	server app2 127.0.0.1:8081 check cookie app2
END
    ${app === 'stock' ? '' : MASTER_SOCKET}`);
}

/** Stock tomcat10.service with the application as its ROOT. */
export async function installWebapp(box: Box): Promise<void> {
  await box.sh(`rm -rf /var/lib/tomcat10/webapps/ROOT
    cp -r /run/in/checkout/test/fixtures/webapp /var/lib/tomcat10/webapps/ROOT
    ln -sf ../../java/eclipse-jdt-core.jar /usr/share/tomcat10/lib/ecj.jar`);
}

/** The same, and the manager for the count. */
async function installTomcat(box: Box): Promise<void> {
  await installWebapp(box);
  await box.write(
    '/etc/tomcat10/tomcat-users.xml',
    `<?xml version="1.0" encoding="UTF-8"?>
<tomcat-users xmlns="http://tomcat.apache.org/xml" version="1.0">
  <user username="lastcall" password="counts" roles="manager-script" />
</tomcat-users>
`,
  );
  await box.write('/etc/lastcall/tomcat.password', 'counts\n', '0640');
  await box.sh('chgrp lastcall /etc/lastcall/tomcat.password');
}

/** A small application as a service of a user of its own. */
export async function installApp(box: Box, name: string, port: number, options = ''): Promise<void> {
  await box.write(
    `/etc/systemd/system/${name}.service`,
    // app2 stands for another machine: a poweroff of this one does not end it.
    `[Unit]
DefaultDependencies=${name === 'app2' ? 'no' : 'yes'}
[Service]
ExecStart=/usr/bin/node ${FIXTURES}/legacy-app.js --node ${name} --port ${port} ${options}
User=www-data
StateDirectory=${name}
[Install]
WantedBy=multi-user.target
`,
  );
}

/** The shipped drop-in and polkit rules, and the least configuration. */
async function installSidecar(box: Box, app: App, deploy: string, more: string): Promise<void> {
  await box.sh(`cd ${deploy}
    mkdir -p /etc/systemd/system/${app}.service.d
    cp systemd/app.service.d/10-lastcall.conf /etc/systemd/system/${app}.service.d/
    sed 's/tomcat10.service/${app}.service/' polkit/50-lastcall.rules >/etc/polkit-1/rules.d/50-lastcall.rules
    cp polkit/51-lastcall-reboot.rules /etc/polkit-1/rules.d/`);
  // The boot id of the box is a mount below /proc/sys, which the sandbox of the unit hides; a real machine has a kernel of its own.
  await box.write(
    '/etc/systemd/system/lastcall.service.d/box.conf',
    '[Service]\nBindReadOnlyPaths=/run/boot_id:/proc/sys/kernel/random/boot_id\n',
  );
  await box.write('/etc/lastcall/lastcall.yaml', configuration(app, more));
}

function configuration(app: App, more: string): string {
  // That its probe can be told in Tomcat's log.
  if (app === 'tomcat10')
    return textOf('deploy/samples/tomcat10.yaml').replace(':8080/health', ':8080/health?by=lastcall') + more;
  return `node: app1
app:
  probe:
    http: { url: "http://127.0.0.1:8080/health?by=lastcall" }
  start: { systemd: ${app}.service }
  stop: { systemd: ${app}.service }
balancers:
  - haproxy: unix:/run/haproxy/admin.sock
    master: unix:/run/haproxy/master.sock
    servers: [app/app1]
sessions:
  - http: { url: "http://127.0.0.1:8080/sessions" }
${more}`;
}
