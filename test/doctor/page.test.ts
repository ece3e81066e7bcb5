import { describe, expect, test } from '@jest/globals';
import { TRAPS } from '../../agent/doctor/table.ts';
import { TRAP_PROOFS } from '../support/mutants/trap-proofs.ts';
import { textOf } from '../support/repository.ts';

/** deploy/doctor.md has a section for each trap, and none for any other. */

const PAGE = textOf('deploy/doctor.md');

describe('Each trap', () => {
  test('has one section in the page, and each section is of a trap', () => {
    const sections = [...PAGE.matchAll(/^### (.*)$/gm)].map(([, id]) => id);
    expect(new Set(sections)).toEqual(new Set(TRAPS.map(({ id }) => id)));
    expect(sections).toHaveLength(TRAPS.length);
  });

  test('has its severity, its consequence and its cure there, word for word', () => {
    const flat = PAGE.replaceAll(/\s+/g, ' ');
    const absent = TRAPS.filter(({ id, severity, consequence, fix }) => {
      const start = `### ${id} _${capital(severity)}._ ${capital(consequence)}.`;
      return !flat.includes(start) || !flat.includes(`Cure: ${fix}.`);
    });
    expect(absent.map(({ id }) => id)).toEqual([]);
  });

  test('has the cure there that differs where no file is, and no other', () => {
    const written: string[] = [...PAGE.matchAll(/Without a file: (.*)\.$/gm)].map(([, text = '']) => text);
    const expected = TRAPS.flatMap(({ fixByFlag }) => fixByFlag ?? []);
    expect(written.toSorted()).toEqual(expected.toSorted());
  });

  test('names no key of a file as its cure where there is no file', () => {
    const keys =
      /`sessions`|app\.(?!stop|service)|drain\.|return\.|ignoreServers|`servers`|`master`|`stateFile`|sticky: false/;
    const wrong = TRAPS.filter(({ fix, fixByFlag, ofFileOnly }) => {
      return ofFileOnly !== true && keys.test(fixByFlag ?? fix);
    });
    expect(wrong.map(({ id }) => id)).toEqual([]);
  });

  test('has one test that shows it and names it (test/long/trap-mutants.long.ts proves that it does)', () => {
    expect(Object.keys(TRAP_PROOFS)).toEqual(TRAPS.map(({ id }) => id));
    const wrong = Object.entries(TRAP_PROOFS).filter(([id, { file }]) => {
      return !new RegExp(String.raw`['.]${id}\b`).test(textOf(`test/${file}.ts`));
    });
    expect(wrong).toEqual([]);
  });

  test('says its consequence and its fix in one sentence each', () => {
    const long = TRAPS.filter(({ consequence, fix, fixByFlag = fix }) =>
      [consequence, fix, fixByFlag].some((text) => text.length > 140 || /[.\n]$|\. /.test(text)),
    );
    expect(long.map(({ id }) => id)).toEqual([]);
  });
});

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
