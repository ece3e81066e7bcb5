// Part of bundle.mjs: a part that only gives on what another one exports. esbuild writes one for each module that is imported
// at run time and that another part imports, too; what asks for it can ask for the other part as well, and one file less is opened.
import { basename } from 'node:path';

const STUB =
  /^(?:import"[^"]+";)*import\{([^}]*)\}from"\.\/([\w-]+\.mjs)";(?:import"[^"]+";)*export\{([^}]*)\};?$/;

/**
 * @param parts esbuild's output: files of ES modules whose paths of other parts end in .mjs
 * @returns those that are no stub; what asked for a stub asks for the part behind it
 */
export function withoutStubs(parts) {
  const behind = new Map(
    parts.flatMap(({ path, text }) => {
      const part = partBehind(text.trim());
      return part === null ? [] : [[basename(path), part]];
    }),
  );
  return parts
    .filter(({ path }) => !behind.has(basename(path)))
    .map(({ path, text }) => ({
      path,
      text: text.replaceAll(/[\w-]+\.mjs(?=["'])/g, (name) => behind.get(name) ?? name),
    }));
}

/** The file name of the part that exports all that this one does, by the same names; null where there is none. */
function partBehind(text) {
  const [, imported, part, exported] = STUB.exec(text) ?? [];
  if (part === undefined) return null;
  const locals = new Map(imported.split(',').map((one) => namesOf(one).toReversed()));
  const isSame = exported.split(',').every((one) => {
    const [local, name] = namesOf(one);
    return locals.get(local) === name;
  });
  return isSame ? part : null;
}

/** `a as b` and `a`: both names. */
function namesOf(text) {
  const [from, to = from] = text.trim().split(' as ');
  return [from, to];
}
