// Prints what CI reads, `N passed, N failed`, over all runs: each is known by the report that it wrote (`jest --json
// --outputFile`, or one of the same fields) and by its exit code. Before it, each failed test with the first lines of its
// message: CI keeps only the end of a long output.
//   node test/summary.mjs REPORT EXIT-CODE [REPORT EXIT-CODE ...]
// Without a readable report the tests did not run (the preparation or the checks failed): that counts as one failure,
// as does an exit code that no failed test explains.
import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

const MESSAGE_LINES = 12;
const words = process.argv.slice(2);
const sum = { passed: 0, failed: 0 };
for (let at = 0; at < words.length; at += 2) {
  const report = read(words[at]);
  // A suite that could not even be loaded has no failed tests of its own.
  const counted = (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0);
  sum.passed += report?.numPassedTests ?? 0;
  for (const failure of failures(report)) process.stdout.write(`${failure}\n\n`);
  sum.failed += words[at + 1] === '0' && report !== null ? counted : Math.max(1, counted);
}
process.stdout.write(`${sum.passed} passed, ${sum.failed} failed\n`);

/** Each failed test, and each suite that could not be loaded. */
function failures(report) {
  return (report?.testResults ?? []).flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((one) => one.status === 'failed');
    const all = failed.map(({ fullName, failureMessages }) => [fullName, failureMessages.join('\n')]);
    if (all.length === 0 && status === 'failed') all.push(['the suite', message]);
    return all.map(([title, text]) => `FAILED: ${name}: ${title}\n${firstLines(text)}`);
  });
}

function firstLines(text) {
  return stripVTControlCharacters(text).trim().split('\n').slice(0, MESSAGE_LINES).join('\n');
}

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}
