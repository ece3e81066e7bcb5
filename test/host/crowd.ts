import { parseArgs } from 'node:util';
import { createUsers } from '../fixtures/users.ts';

// Users of the site in a process of its own, so that it can be in another network. Prints `in` once each user has
// had an answer; at the end of standard input all log out, and the report is printed as one line of JSON.
//
//     node dist/test/host/crowd.js --url http://127.0.0.1 --population 40 --stay-ms 4000

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1' },
    population: { type: 'string', default: '40' },
    'stay-ms': { type: 'string', default: '4000' },
    'think-ms': { type: 'string', default: '400' },
  },
});
const users = createUsers({
  url: values.url,
  population: Number(values.population),
  stayMs: Number(values['stay-ms']),
  thinkMs: Number(values['think-ms']),
});
await users.start();
process.stdout.write('in\n');
process.stdin.resume().once('end', () => {
  void users.stop().then((report) => process.stdout.write(`${JSON.stringify(report)}\n`));
});
