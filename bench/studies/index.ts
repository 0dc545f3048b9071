/** The studies in the order in which they are listed. */
import type { Study } from '../../src/index.ts';
import ats from './ats.ts';
import contention from './contention.ts';
import invalidation from './invalidation.ts';
import iotlb from './iotlb.ts';
import iova from './iova.ts';
import nested from './nested.ts';
import pri from './pri.ts';
import receive from './receive.ts';
import tenants from './tenants.ts';
import walkCaches from './walk-caches.ts';
import window from './window.ts';

export const studies: readonly Study[] = [
  window,
  iotlb,
  walkCaches,
  nested,
  receive,
  ats,
  tenants,
  invalidation,
  contention,
  iova,
  pri,
];
