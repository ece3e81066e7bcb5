import { createJournal } from '../../agent/journal/journal.ts';
import { createLaunchRecord, type LaunchRecord } from '../../agent/app/launch-record.ts';
import { bootId } from '../../agent/system/process.ts';
import { ManualClock } from './manual-clock.ts';
import { never } from './outcome.ts';

/** What a child writes down of its launches, in that file, however long that takes; a warning is an error here. */
export function launchesIn(path: string, boot = bootId()): LaunchRecord {
  const journal = createJournal(path, { node: 'app1' });
  const noteFile = {
    async load() {
      const loaded = await journal.load(never);
      return loaded.kind === 'record' ? loaded.record : null;
    },
    save: (note: object) => journal.save(note),
  };
  const onWarning = (text: string): never => {
    throw new Error(text);
  };
  return createLaunchRecord(noteFile, { clock: new ManualClock(), bootId: boot, onWarning });
}
