import { describe, expect, test } from '@jest/globals';
import { writeConfiguration } from '../../agent/init/write.ts';
import { load, nodeOf, SERVER, someFacts, withChoices } from '../support/init-facts.ts';

/** What the file proposes depends on what answers at the ports of this machine, and on what runs it. */

describe('The file that init writes', () => {
  test('tells an agent that answers from a port where none does', async () => {
    const nodes = [nodeOf({ servers: [{ ...SERVER, agentPort: 7009 }] })];
    const free = writeConfiguration(someFacts({ nodes }));
    expect(free.warnings.join()).not.toContain('agent-check');
    const chosen = withChoices(free.text, /listen:/, / {2}agentCheck: /);
    expect(await load(chosen)).toMatchObject({ config: { listen: { agentCheck: { port: 7009 } } } });
    const taken = writeConfiguration(someFacts({ nodes, takenPorts: new Set([7009]) }));
    expect(taken.warnings.join()).toContain('another program answers the agent-check');
    expect(taken.text).toContain('let it say nothing but');
  });

  test('proposes no unit where systemd does not run, and says which port the probe leaves out', () => {
    const owner = { kind: 'no-unit', program: 'java' } as const;
    expect(writeConfiguration(someFacts({}, owner)).text).toContain('# stop: { systemd: app.service }');
    const application = {
      ...someFacts({}, owner).application,
      endpoints: [8080, 8081].map((port) => ({ host: '127.0.0.1', port })),
    };
    const { text, edits } = writeConfiguration(someFacts({ hasSystemd: false, application }));
    expect(text).not.toContain('systemd: app.service');
    expect(text).toMatch(/^ {2}# stop: \{ signal: /m);
    expect(text).toContain('listens at 127.0.0.1:8081 too, which this probe does not ask');
    expect(edits).toHaveLength(2);
  });
});
