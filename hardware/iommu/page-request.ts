/** A page request message as a device sends it. */
export type { PageRequest } from '../ats/index.ts';
