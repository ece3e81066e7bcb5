/** Engines that few commands need, as one part of the bundle: each part is a file of the package, which has at most 40. */
export { examine } from './examine.ts';
export { createSubstitute, loadRest } from './sidecar-substitute.ts';
