import { basename } from 'node:path';

const SUPERVISORS = /^(supervisord|runsvdir|runsv|s6-svscan|s6-supervise|pm2(-runtime|-docker)?)$/;

/**
 * The program that starts other programs anew when they end (supervisord, pm2, runit, s6), by a command line: itself, or what
 * an interpreter runs. pm2's daemon has a title in place of it. Pure.
 * @returns its name; null for any other
 */
export function supervisorIn(command: readonly string[]): string | null {
  const [title = ''] = command;
  if (/^PM2 v\S+: God Daemon/.test(title)) return 'pm2';
  const names = command.slice(0, 3).map((word) => basename(word));
  return names.find((name) => SUPERVISORS.test(name)) ?? null;
}
