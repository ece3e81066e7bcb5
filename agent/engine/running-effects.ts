/** The effects that run until their answer comes. */
export interface RunningEffects {
  /** @param isCommand it stops or starts the application */
  add(done: Promise<void>, isCommand?: boolean): void;
  /** Resolves once no stop and no start runs: at once, where none does. */
  commandsEnded(): Promise<void>;
  /** Resolves once all that runs now has ended. */
  allEnded(): Promise<void>;
}

export function createRunningEffects(): RunningEffects {
  const running = new Set<Promise<void>>();
  const commands = new Set<Promise<void>>();
  const track = (done: Promise<void>, among: Set<Promise<void>>): void => {
    among.add(done);
    void done.finally(() => among.delete(done));
  };
  return {
    add(done, isCommand = false) {
      if (isCommand) track(done, commands);
      track(done, running);
    },
    async commandsEnded() {
      // A stop may be followed by a start.
      while (commands.size > 0) await Promise.all(commands);
    },
    async allEnded() {
      await Promise.all(running);
    },
  };
}
