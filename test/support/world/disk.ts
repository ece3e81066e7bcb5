import type { Timeline } from './timeline.ts';

/** A simulated journal: one write at a time, of the newest record that waits, as the real one does it. */
export interface SimDisk {
  /** What a start finds. */
  content: string | null;
  failing: boolean;
  save(text: string, done: (error: string | null) => void): void;
  /** The process is gone: what was being written may or may not have reached the disk, the rest has not. */
  cut(): void;
}

interface Save {
  text: string;
  readonly waiting: ((error: string | null) => void)[];
}

export function createDisk(time: Timeline): SimDisk {
  let writing: Save | null = null;
  let next: Save | null = null;
  let stop = (): void => undefined;

  const write = (save: Save): void => {
    writing = save;
    next = null;
    stop = time.after(time.between(0.5, 20), () => {
      const failed = self.failing;
      // A failure may come after the rename: then the file holds the new record, whole.
      if (!failed || time.chance(0.3)) self.content = save.text;
      writing = null;
      if (next) write(next);
      for (const done of save.waiting) done(failed ? 'no space left on device' : null);
    });
  };

  const self: SimDisk = {
    content: null,
    failing: false,
    save(text, done) {
      if (!writing) return write({ text, waiting: [done] });
      next ??= { text, waiting: [] };
      next.text = text;
      next.waiting.push(done);
    },
    cut() {
      stop();
      if (writing && time.chance(0.5)) self.content = writing.text;
      writing = null;
      next = null;
    },
  };
  return self;
}
