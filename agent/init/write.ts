import { createYamlWriter, type YamlWriter, type YamlText } from './yaml-writer.ts';
import type { Facts, Section } from './facts.ts';
import { writeApp } from './write-app.ts';
import { writeBalancers } from './write-balancers.ts';
import { writeDrain } from './write-drain.ts';
import { writeSessions } from './write-sessions.ts';

/** The file, and what the operator is told beside it. */
export interface Written extends YamlText {
  readonly warnings: readonly string[];
}

/** Writes the whole configuration. Pure: the same facts give the same text. */
export function writeConfiguration(facts: Facts): Written {
  const warnings: string[] = [];
  const write = (edits: number): YamlText => {
    const draft = createYamlWriter();
    warnings.splice(0, warnings.length, ...facts.doubts);
    const section: Section = { facts, warn: (text) => void warnings.push(text) };
    writeHead(draft, facts, edits);
    for (const part of [writeApp, writeBalancers, writeSessions, writeDrain]) {
      draft.blank();
      part(draft, section);
    }
    return draft.result();
  };
  // The head says how many places wait for a person, so they are counted first.
  return { ...write(write(0).edits.length), warnings };
}

function writeHead(draft: YamlWriter, { isRoot }: Facts, edits: number): void {
  draft.comment(
    'The configuration of one node, written by `lastcall init` from what HAProxy and this machine showed. What was seen is a line; what would be a guess is a comment, with what follows from it.',
  );
  draft.comment(
    edits === 0
      ? 'Nothing has to be edited.'
      : `${edits === 1 ? 'One place waits' : `${edits} places wait`} for you: search for EDIT.`,
  );
  draft.comment(
    'Then: `lastcall check`, the sidecar (`lastcall run`; deploy/systemd), `lastcall drain --dry-run`. deploy/lastcall.yaml of the package has every key.',
  );
  if (!isRoot)
    draft.comment(
      'It was not written as root: which process of another user listens at a port, and its sockets, could not be seen.',
    );
}
