/** Engines that few commands need, as one part of the bundle: each part is a file of the package, which has at most 40. */
export { examine } from './examine.ts';
export { createStandIn, loadRest } from './stand-in.ts';
