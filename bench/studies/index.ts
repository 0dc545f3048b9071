/** The studies in the order in which they are listed. */
import type { Study } from '../../src/index.ts';
import window from './window.ts';

export const studies: readonly Study[] = [window];
