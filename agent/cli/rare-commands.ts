/** Modules that few commands need, as one part of the bundle: each part is a file of the package, which has at most 40. */
export { completeWords } from './complete-words.ts';
export { completionFor } from './completion.ts';
export { doctor } from './doctor.ts';
export { openDirectStatus } from './direct-status.ts';
export { createConfiguration } from './init.ts';
