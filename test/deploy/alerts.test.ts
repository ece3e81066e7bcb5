import { beforeAll, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { findPromtool, type Promtool } from '../support/promtool.ts';
import { packageRoot } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';

let promtool: Promtool;
beforeAll(async () => {
  promtool = await findPromtool();
}, 180_000);

describe('deploy/prometheus/alerts.yml', () => {
  test('is what Prometheus takes for rules', async () => {
    if ('missing' in promtool) return skipped(promtool.missing);
    const rules = join(packageRoot(), 'deploy', 'prometheus', 'alerts.yml');
    expect(await promtool.run(['check', 'rules', rules])).toMatchObject({
      code: 0,
      output: expect.stringContaining('SUCCESS: 8 rules found'),
    });
  });

  test('fires where an operator is needed, and not for a node that is well', async () => {
    if ('missing' in promtool) return skipped(promtool.missing);
    const cases = join(packageRoot(), 'test', 'deploy', 'alerts.rules-test.yml');
    const { code, output } = await promtool.run(['test', 'rules', cases]);
    expect(output).toContain('SUCCESS');
    expect(code).toBe(0);
  });
});
