import type { YamlWriter } from './yaml-writer.ts';
import { shortList } from './choose.ts';
import type { Section } from './facts.ts';

/** Writes `drain`, and what an operator may want to add. */
export function writeDrain(draft: YamlWriter, section: Section): void {
  draft.yaml('drain:');
  draft.comment('How long a drain waits for the last user. Longer than a session usually lives.', 2);
  draft.yaml('  timeout: 30m');
  draft.comment(
    'Then: restore puts back what was found, so that no user is lost and the node stays in service; force ends their sessions and reports how many; hold goes on waiting.',
    2,
  );
  draft.yaml('  onTimeout: restore');
  writeKeep(draft, section);
  draft.blank();
  draft.comment(
    'Who asked for what, when, why, and how it ended: one JSON line each. Without it only the log has it.',
  );
  draft.choice(0, `audit: /var/log/lastcall/${section.facts.node}.log`);
  draft.comment(
    'At most so many nodes of this application out at a time, also when several restarts are requested at once. Without a lock only `drain.keep` guards: the last usable server stays.',
  );
  draft.choice(
    0,
    'pool: { name: app, slots: 1 }',
    'lock: { file: /run/lock/lastcall/app } # one machine; several: deploy/etcd.md',
  );
}

function writeKeep(draft: YamlWriter, { facts, warn }: Section): void {
  const alone = facts.nodes.flatMap(({ servers }) => servers.filter(({ others }) => others === 0));
  draft.comment(
    'How many other servers have to take users at each HAProxy, or a drain is refused (75 guard). 0: not asked, and users meet 503 while this node is out.',
    2,
  );
  draft.choice(2, 'keep: 1');
  if (alone.length === 0) return;
  const names = [...new Set(alone.map(({ name }) => name))].join(', ');
  const standbys = [...new Set(alone.flatMap((server) => server.standbys))];
  draft.comment(
    `Now no other server of its backend takes users besides ${names}: a drain would be refused.`,
    2,
  );
  if (standbys.length > 0) {
    draft.comment(`${shortList(standbys)} stands by as a backup: to let it count as another server:`, 2);
    draft.choice(2, 'keepBackups: true');
  }
  const way = standbys.length > 0 ? 'drain.keepBackups is true, or drain.keep 0' : 'drain.keep is 0';
  warn(
    `no other server takes users besides ${names}: a drain is refused (75 guard) while that is so, unless ${way}`,
  );
}
