import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Debian's packages that the box shows, each by a file of it. */
const FILES = {
  'systemd-sysv': '/sbin/init',
  systemd: '/lib/systemd/systemd',
  dbus: '/usr/bin/dbus-daemon',
  polkitd: '/usr/lib/polkit-1/polkitd',
  haproxy: '/lib/systemd/system/haproxy.service',
  tomcat10: '/usr/libexec/tomcat10/tomcat-start.sh',
  'tomcat10-admin': '/usr/share/tomcat10-admin/manager/WEB-INF/web.xml',
  'php-cli': '/usr/bin/php',
  iproute2: '/usr/sbin/ip',
  'util-linux': '/usr/bin/nsenter',
} as const;

/** Why test/host/box.sh cannot run on this machine; null when it can. */
export function missingForBox(): string | null {
  if (process.platform !== 'linux') return 'it needs Linux';
  if (process.getuid?.() !== 0) return 'it needs root, for namespaces and mounts';
  const absent = Object.entries(FILES).filter(([, file]) => !existsSync(file));
  if (absent.length > 0) {
    return `not installed: ${absent.map(([name, file]) => `${name} (${file})`).join(', ')}`;
  }
  const v1 = existsSync('/sys/fs/cgroup/systemd');
  if (!v1 && !existsSync('/sys/fs/cgroup/cgroup.controllers')) return 'there are no control groups';
  return tryOverlay();
}

/** A mount proves more than /proc/filesystems: a container may have the file system and not the right. */
function tryOverlay(): string | null {
  const dir = mkdtempSync(join(tmpdir(), 'lc-overlay-'));
  const script = `mount --make-rprivate / && mount -t tmpfs tmpfs "$1" && mkdir "$1/up" "$1/work" "$1/root" &&
    mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"`;
  try {
    const { status, stderr } = spawnSync('unshare', ['-m', '--', 'sh', '-c', script, '_', dir], {
      encoding: 'utf8',
    });
    return status === 0 ? null : `no overlay of / can be mounted: ${stderr.trim()}`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
