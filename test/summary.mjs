// Prints what CI reads, `N passed, N failed`, from the report that `jest --json --outputFile` wrote.
//   node test/summary.mjs REPORT EXIT-CODE
// Without a readable report the tests did not run (the preparation or the checks failed): that counts as one failure,
// as does an exit code that no failed test explains.
import { readFileSync } from 'node:fs';

const [file, exitCode] = process.argv.slice(2);
const report = read(file);
// A suite that could not even be loaded has no failed tests of its own.
const counted = (report?.numFailedTests ?? 0) + (report?.numRuntimeErrorTestSuites ?? 0);
const failed = exitCode === '0' && report !== null ? counted : Math.max(1, counted);
process.stdout.write(`${report?.numPassedTests ?? 0} passed, ${failed} failed\n`);

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}
