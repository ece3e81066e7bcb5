/** An error of a balancer, a source or anything else that has a name, which many an error begins with already. */
export function byName(name: string, error: string): string {
  return error.startsWith(`${name}: `) ? error : `${name}: ${error}`;
}
