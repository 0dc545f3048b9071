/** Flow 4.4 of the proposal, in the words of version 1. */
import { scenario } from '../src/index.ts';
import { hardwareNesting, NESTING_HARDWARE } from './flow/hardware-nesting.ts';

export default scenario({
  name: 'flow-4.4-hardware-nesting.v1',
  title: 'Hardware nesting (version 1)',
  question: 'What changes in hardware when a guest’s own I/O page table is bound to a space that devices use already?',
  look: [
    'Until IOASID_BIND_PGTABLE the nested space is as in flow-4.3-software-nesting.v1: the kernel’s table, and empty. One call then leads both devices through the guest’s.',
    'The guest has changed an entry, and two caches do not know: the IOTLB for dma1, the device’s own for dma2. IOASID_INVALIDATE_CACHE reaches both, with an invalidate request that goes down to dma2.',
    'The IOMMU cannot see that dma2 is behind the times: what it sends is translated already. That is why devices keep translations only where the kernel trusts them (kernel.trustDevices).',
  ],
  next: [
    'Leave out the invalidation. Who is hurt: the host, or the guest alone?',
    'Compare with flow-4.4-hardware-nesting.v2. Which of the calls here are attributes there?',
  ],
  ...NESTING_HARDWARE,

  run: (s) => hardwareNesting(s, 1),
});
