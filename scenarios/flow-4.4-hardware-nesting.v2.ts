/** Flow 4.4 of the proposal, in the words of version 2. */
import { scenario } from '../src/index.ts';
import { hardwareNesting, NESTING_HARDWARE } from './flow/hardware-nesting.ts';

export default scenario({
  name: 'flow-4.4-hardware-nesting.v2',
  title: 'Hardware nesting (version 2)',
  question: 'What does the kernel still do when a guest writes the I/O page table itself?',
  look: [
    'The device’s entry names two tables: the guest’s, by an address of the parent space, and the parent’s. The kernel reads nothing of the guest’s.',
    'Each entry of the guest’s table is found through the parent’s: one DMA reads up to 24 entries.',
    'The guest has changed an entry, and the devices go on as before until the guest says so: dma1 by the IOTLB, dma2 by translations of its own, which the IOMMU cannot check.',
  ],
  next: ['Leave out the invalidation. Who is hurt: the host, or the guest alone?'],
  ...NESTING_HARDWARE,

  run: (s) => hardwareNesting(s, 2),
});
