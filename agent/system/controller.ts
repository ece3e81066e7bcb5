import { setMaxListeners } from 'node:events';

/** A controller for everything that waits in a part of the program: they may be more than the ten that Node takes for a leak. */
export function createWideController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
