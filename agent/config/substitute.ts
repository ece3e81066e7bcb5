/** `${NAME}` and `${NAME:-default}` in a text. Pure. */

export type Environment = Readonly<Record<string, string | undefined>>;

export type Substituted =
  | {
      readonly ok: true;
      readonly text: string;
      /** Variables it asked for. */ readonly names: readonly string[];
    }
  | { readonly ok: false; readonly message: string };

const REFERENCE = /\$\{([^}]*)(\}?)/g;
const INSIDE = /^([A-Za-z_]\w*)(?::-([^]*))?$/;

/**
 * Puts the environment's values in place. As in a shell, the default of `${NAME:-default}` also replaces an empty
 * value. A value is not substituted again.
 * @returns the new text, or the first reason why there is none: a variable that is not set, a malformed reference
 */
export function substitute(text: string, env: Environment): Substituted {
  const names: string[] = [];
  let message: string | undefined;
  const result = text.replace(REFERENCE, (whole, inside: string, closing: string) => {
    const parts = closing === '' || inside.includes('${') ? null : INSIDE.exec(inside);
    if (parts === null) {
      message ??= `a reference to the environment is written \${NAME} or \${NAME:-default}`;
      return whole;
    }
    const [, name = '', fallback] = parts;
    names.push(name);
    const value = env[name];
    const found = value === '' && fallback !== undefined ? fallback : (value ?? fallback);
    if (found === undefined) message ??= `the environment variable ${name} is not set`;
    return found ?? whole;
  });
  return message === undefined ? { ok: true, text: result, names } : { ok: false, message };
}
