import { describe, expect, test } from '@jest/globals';
import { isMap, parseAllDocuments, visit, type Document, type Pair, type Scalar } from 'yaml';
import { manifestProblems } from '../support/kubernetes-schema.ts';
import { textOf } from '../support/repository.ts';

/** The shipped manifests against the types of Kubernetes: each field is one that it knows. */

const FILE = 'deploy/kubernetes/statefulset.yaml';

/** kubectl reads YAML 1.1: 0440 is octal. */
function documents(): Document[] {
  return parseAllDocuments(textOf(FILE), { version: '1.1' }) as Document[];
}

const problems = (all: readonly Document[]): string[] =>
  all.flatMap((document) => manifestProblems(document.toJS()));

/** Keys whose own keys are free: a ConfigMap's files, labels. */
const FREE = new Set([
  'data',
  'stringData',
  'labels',
  'matchLabels',
  'annotations',
  'selector',
  'limits',
  'requests',
]);

interface Field {
  readonly name: string;
  readonly rename: (name: string) => void;
}

/** Every field that Kubernetes gives the name of; `matchLabels` is one, and the labels in it are not. */
function fieldsOf(all: readonly Document[]): Field[] {
  const fields: Field[] = [];
  for (const document of all)
    visit(document, {
      Pair(_key, pair: Pair, path) {
        const parents = path.flatMap((one) => (isPair(one) ? [String(one.key)] : []));
        const kind = String(document.get('kind'));
        // A Service's selector is a map of labels, a StatefulSet's has `matchLabels`.
        const isFree = parents.some(
          (name) => FREE.has(name) && !(name === 'selector' && kind === 'StatefulSet'),
        );
        if (isFree) return;
        const key = pair.key as Scalar<string>;
        fields.push({ name: [...parents, key.value].join('.'), rename: (name) => (key.value = name) });
      },
    });
  return fields;
}

function isPair(one: unknown): one is Pair {
  return typeof one === 'object' && one !== null && 'key' in one && !isMap(one);
}

describe('The manifests for Kubernetes', () => {
  test('have no field that Kubernetes does not know, and all that it needs', () => {
    expect(problems(documents())).toEqual([]);
  });

  test('and each of their fields, once misspelt, is found', () => {
    const names = fieldsOf(documents()).map(({ name }) => name);
    expect(names.length).toBeGreaterThan(80);
    expect(names).toEqual(expect.arrayContaining(['spec.template.spec.initContainers.restartPolicy']));
    const found = names.map((name, at) => {
      const all = documents();
      fieldsOf(all)[at]?.rename(`${name.slice(name.lastIndexOf('.') + 1)}s`);
      return { name, isFound: problems(all).length > 0 };
    });
    expect(found.filter(({ isFound }) => !isFound)).toEqual([]);
  });

  test('nor is a value of another kind taken, nor a field that is missing', () => {
    const set = documents().find((one) => one.get('kind') === 'StatefulSet');
    set?.setIn(['spec', 'replicas'], 'three');
    set?.deleteIn(['spec', 'selector']);
    set?.setIn(['spec', 'template', 'spec', 'containers', 0, 'command'], 'app');
    set?.setIn(['spec', 'template', 'spec', 'volumes', 0, 'nfs'], set.createNode({}));
    expect(manifestProblems(set?.toJS())).toEqual([
      'spec.selector: is missing, and StatefulSetSpec needs it',
      'spec.replicas: is no integer',
      'spec.template.spec.containers[0].command: is no list',
      'spec.template.spec.volumes[0].nfs: the fixture has no type NFSVolumeSource; add it there',
    ]);
  });

  test('name a Service that is there', () => {
    const all = documents();
    const set = all.find((one) => one.get('kind') === 'StatefulSet');
    const services = all.filter((one) => one.get('kind') === 'Service');
    expect(services.map((one) => one.getIn(['metadata', 'name']))).toEqual([
      set?.getIn(['spec', 'serviceName']),
    ]);
    expect(services[0]?.toJS()).toMatchObject({
      spec: { clusterIP: 'None', selector: { app: 'app' } },
    });
  });
});
