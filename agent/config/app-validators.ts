/** Checks of what names the application, as in validators.ts. Pure. */

/** Suffixes of units (systemd.unit(5)); `systemctl` adds `.service` where there is none. */
const SUFFIX = /\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/;

/**
 * The full name of a service: `tomcat10` and `tomcat10.service` are one. A template without its instance is none.
 * @returns undefined where it is not the name of a service
 */
export function readUnitName(text: string): string | undefined {
  const name = SUFFIX.test(text) ? text : `${text}.service`;
  const good =
    /^[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]{0,246}\.service$/.test(name) && !name.endsWith('@.service');
  return good ? name : undefined;
}

/** `systemctl stop UNIT`: systemd itself reports more of it than a command could. null = it is another command. */
export function unitOfCommand(command: readonly string[], verb: 'start' | 'stop'): string | null {
  const [program, word, unit, ...more] = command;
  const isSystemctl = program === 'systemctl' || /^(\/usr)?\/bin\/systemctl$/.test(program ?? '');
  if (!isSystemctl || word !== verb || unit === undefined || more.length > 0) return null;
  return readUnitName(unit) ?? null;
}

/** A name or an id, as the engine's own rule has it. */
export function containerNameProblem(text: string): string | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(text)
    ? undefined
    : 'is not the name of a container: letters, digits, underscores, dots and dashes';
}
