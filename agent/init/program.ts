import type { ListeningProcess } from './machine.ts';

/**
 * The kind of a listening process: an application, whose users `init` may know a way to count, or a program in
 * front of one, which must not be stopped in its place. By its name and arguments. Pure.
 */
export type ProgramKind =
  | 'tomcat'
  | 'wildfly'
  | 'java'
  | 'php-fpm'
  | 'node'
  | 'ruby'
  | 'python'
  | 'dotnet'
  | 'other'
  /** It serves pages or passes requests on, or both. */
  | 'web-server'
  | 'haproxy'
  /** The port of a container, held by its engine. */
  | 'container'
  /** systemd itself holds the socket, and starts the service with the first connection. */
  | 'systemd';

const BY_PROGRAM: readonly (readonly [RegExp, ProgramKind])[] = [
  [/^haproxy$/, 'haproxy'],
  [/^(docker-proxy|rootlessport|conmon|containerd\S*|dockerd|podman|kube-proxy|kubelet)$/, 'container'],
  [/^(nginx|apache2|httpd|caddy|envoy|traefik|varnishd|stunnel4?|lighttpd|squid)\b/, 'web-server'],
  [/^php-fpm/, 'php-fpm'],
  [/^(node|nodejs|bun|deno)$/, 'node'],
  [/^(ruby[\d.]*|puma|unicorn|passenger)\b/i, 'ruby'],
  [/^(python[\d.]*|gunicorn|uwsgi|uvicorn)\b/, 'python'],
  [/^dotnet$/, 'dotnet'],
];

export function programKind({ pid, program, args }: ListeningProcess): ProgramKind {
  if (pid === 1 || program === 'systemd') return 'systemd';
  if (program === 'java') {
    if (args.includes('org.apache.catalina.startup.Bootstrap')) return 'tomcat';
    return args.some((arg) => arg.endsWith('jboss-modules.jar')) ? 'wildfly' : 'java';
  }
  return BY_PROGRAM.find(([pattern]) => pattern.test(program))?.[1] ?? 'other';
}

/** Whether stopping this process stops the application itself. */
export function isApplication(kind: ProgramKind): boolean {
  return !['web-server', 'haproxy', 'container', 'systemd'].includes(kind);
}
