import { describe, expect, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { configOf } from '../config/support.ts';
import { textOf } from '../support/repository.ts';

/** The parts of the Ansible role that have to fit each other; host/ansible.host.ts runs it and the playbooks. */

const FOLDER = 'deploy/ansible';
const ROLE = `${FOLDER}/roles/lastcall`;

interface Option {
  readonly required?: boolean;
  readonly default?: unknown;
}

function options(): Readonly<Record<string, Option>> {
  const { argument_specs: specs } = parse(textOf(`${ROLE}/meta/argument_specs.yml`)) as {
    readonly argument_specs: { readonly main: { readonly options: Record<string, Option> } };
  };
  return specs.main.options;
}

describe('The Ansible role', () => {
  test('describes each variable that its tasks use, with its default', () => {
    const tasks = textOf(`${ROLE}/tasks/main.yml`);
    const used = new Set([...tasks.matchAll(/\blastcall_\w+/g)].map(([name]) => name));
    expect([...used].sort()).toEqual(Object.keys(options()).sort());
    const defaults = Object.entries(options()).filter(([, option]) => option.required !== true);
    expect(parse(textOf(`${ROLE}/defaults/main.yml`))).toEqual(
      Object.fromEntries(defaults.map(([name, option]) => [name, option.default])),
    );
  });

  test('copies files that are there', () => {
    const named = [...textOf(`${ROLE}/tasks/main.yml`).matchAll(/lastcall_files(?: }}| \+ ')\/([\w./-]+)/g)];
    const files = named.map(([, file]) => file ?? '').filter((file) => !file.endsWith('/'));
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) expect(textOf(`deploy/${file}`)).not.toBe('');
  });

  test('has an inventory whose configuration is right', async () => {
    const { lastcall } = parse(textOf(`${FOLDER}/hosts.yml`)) as {
      readonly lastcall: {
        readonly vars: {
          readonly lastcall_config: object;
          readonly lastcall_groups: readonly string[];
          readonly lastcall_secrets: Readonly<Record<string, string>>;
        };
      };
    };
    const written = stringify(lastcall.vars.lastcall_config).replaceAll('{{ lastcall_node }}', 'app1');
    // The certificates are not here.
    const tls = /^ +tls:\n(?: {6,}(?:ca|cert|key): .*\n){3}/m;
    expect(written).toMatch(tls);
    expect(await configOf(written.replace(tls, '').replace('tls://', 'tcp://'))).toMatchObject({
      node: 'app1',
    });
    // The role writes each file that is named, and asks for no group of a HAProxy that is elsewhere.
    const { lastcall_secrets: secrets, lastcall_groups: groups } = lastcall.vars;
    const files = [...written.matchAll(/\/etc\/lastcall\/([\w.]+)/g)].map(([, name]) => name);
    expect(files).toEqual(Object.keys(secrets));
    expect(groups).toEqual([]);
  });
});
