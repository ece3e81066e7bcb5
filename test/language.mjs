// Part of `npm run check`: the language of comments, names, pages and texts. node test/language.mjs [ROOT]
//
// A comment says who acts: a user, an operator, a process, a poller, a caller, a source. Words that leave it open may
// stand in fewer than 8 of 1,000 comment lines, and in no title of a test, page or text that is shown. `he` and its kin
// stand nowhere. And names that were given up for those of agent/GLOSSARY.md stay gone.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OLD_FILES } from './language/old-files.mjs';
import { OF_RECORD, OLD_IN_AGENT, OLD_NAMES, OLD_PARTS } from './language/old-names.mjs';
import { commentsOf, namesOf, proseOf, textsOf } from './language/parts.mjs';

const ROOT = process.argv[2] ?? join(import.meta.dirname, '..');
const FOLDERS = ['agent', 'test', 'deploy', 'haproxy'];
const CHECKED = /\.(?:ts|mjs|sh|cfg|ya?ml|rules|service|conf|target)$/;
const LIMIT = 8;
/** Their string literals are read by people: messages, names of mutants, rules and faults. */
const SHOWN = ['agent/', 'test/support/mutants/', 'test/support/wide/', 'test/faults/'];
/** They name what is refused. */
const OWN = ['test/language.mjs', 'test/language.test.ts', 'test/language/'];
/** Pages are looked for everywhere else. */
const NO_PAGES = ['.git', 'node_modules', 'dist', 'coverage'];

const PERSON =
  /(?<![-\w])(?:whoever|whom|whomever|somebody|someone|nobody|everybody|everyone|anybody|anyone)\b/gi;
/** An operator, a user or a caller is none of these: the noun says who is meant. */
const PRONOUN = /(?<![-\w])(?:he|him|his|himself)\b/gi;
/** `Who has gone is not counted.`: a sentence about a person that is not named; a question ends with a mark. */
const FREE_WHO = /(?:^|[.:;] )who (?!is who\b)[^.:;?]*(?=[.:;]|$)/gi;

/** A title of a test: the first text in a call of `test`, of `describe`, or of what their `each` returns. */
const TITLE =
  /(?:\b(?:test|describe)(?:\.\w+)*|\))\(\s*(?:'((?:\\.|[^'\\\n])*)'|"((?:\\.|[^"\\\n])*)"|`((?:\\.|[^`\\])*)`),\s*(?:async\b|\()/g;
/** Titles name who acts and what is written, answered or reported: none of these words may stand in one. */
const UNCLEAR_IN_TITLE =
  /(?<![-\w])(?:told|whoever|whomever|somebody|someone|nobody|everybody|everyone|anybody|anyone|he|him|his|himself)\b/gi;

const problems = [];
for (const folder of FOLDERS) {
  const seen = { lines: 0, persons: [] };
  for (const file of filesIn(folder, CHECKED)) check(file, seen);
  const rate = (1000 * seen.persons.length) / Math.max(1, seen.lines);
  if (rate >= LIMIT) {
    problems.push(`${folder}: ${rate.toFixed(1)} of 1,000 comment lines leave open who acts; below ${LIMIT}`);
    problems.push(...seen.persons);
  }
}
for (const file of filesIn('', /\.md$/)) checkProse(file, 'page', proseOf(read(file)));
process.stdout.write(problems.map((problem) => `${problem}\n`).join(''));
process.exitCode = problems.length === 0 ? 0 : 1;

function check(file, seen) {
  const named = Object.keys(OLD_FILES).find(
    (old) => file.startsWith(old) && (old.endsWith('/') || /^(?:\.|$)/.test(file.slice(old.length))),
  );
  if (named !== undefined) problems.push(`${file}: is called ${OLD_FILES[named]} now`);
  const text = read(file);
  checkComments(file, commentsOf(text, file), seen);
  if (OWN.some((own) => file.startsWith(own))) return;
  if (file.endsWith('.ts') && file.startsWith('test/')) checkTitles(file, text);
  if (!/\.(?:ts|mjs)$/.test(file)) return;
  if (SHOWN.some((folder) => file.startsWith(folder))) checkProse(file, 'text', textsOf(text));
  for (const name of namesOf(text))
    for (const [old, now] of oldIn(name, file)) problems.push(`${file}: ${name}: \`${old}\` is ${now} now`);
}

function checkComments(file, comments, seen) {
  for (const [line, text] of comments) {
    seen.lines++;
    const plain = text.replaceAll(/`[^`]*`/g, '');
    const found = [...plain.matchAll(PERSON), ...plain.matchAll(FREE_WHO)];
    for (const [what] of found) seen.persons.push(`  ${file}:${line} ${what.trim().slice(0, 40)}`);
    for (const [word] of plain.matchAll(PRONOUN))
      problems.push(`${file}:${line} the comment does not name who is meant: \`${word}\``);
  }
}

/** @param what a page or a text */
function checkProse(file, what, lines) {
  for (const [line, text] of lines)
    for (const [word] of [...text.matchAll(PERSON), ...text.matchAll(PRONOUN)])
      problems.push(`${file}:${line} the ${what} leaves open who acts: \`${word}\``);
}

function checkTitles(file, text) {
  for (const match of text.matchAll(TITLE)) {
    const title = match[1] ?? match[2] ?? match[3];
    const line = text.slice(0, match.index + match[0].indexOf(title)).split('\n').length;
    const found = [...title.replaceAll(/`[^`]*`/g, '').matchAll(UNCLEAR_IN_TITLE)];
    for (const [word] of found)
      problems.push(`${file}:${line} the title leaves open who does what: \`${word}\``);
  }
}

/** The old words of one name, as `Desk` in `createDesk`. */
function oldIn(name, file) {
  const parts = (name.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? []).map((part) => part.toLowerCase());
  const old = Object.entries(OLD_PARTS).filter(([part]) => parts.includes(part));
  const isAgents = file.startsWith('agent/') && !OF_RECORD.includes(file);
  const names = isAgents ? { ...OLD_NAMES, ...OLD_IN_AGENT } : OLD_NAMES;
  return Object.hasOwn(names, name) ? [...old, [name, names[name]]] : old;
}

function read(file) {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** The files below a folder of the repository whose name ends so; '' = of all of it. */
function filesIn(folder, ending) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return NO_PAGES.includes(entry.name) ? [] : filesIn(path, ending);
    return ending.test(entry.name) ? [path] : [];
  });
}
