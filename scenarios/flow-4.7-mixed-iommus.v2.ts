/** Flow 4.7 of the proposal: IOMMUs that differ, in the words of version 2. */
import { scenario } from '../src/index.ts';
import { MIXED_HARDWARE, mixedIommus } from './flow/mixed.ts';

export default scenario({
  name: 'flow-4.7-mixed-iommus.v2',
  title: 'Devices behind different IOMMUs (version 2)',
  question: 'What does a program do when a second device cannot use the I/O page table of the first?',
  look: [
    'IOMMU_DEVICE_GET_INFO tells what differs before anything is allocated; a program that does not ask learns it from the attach, which fails and changes nothing.',
    'A space is one table. Two tables of the same memory are two spaces, and the memory is charged twice.',
    'The kernel’s driver for mmu0 stands in front of the platform’s, so that mmu0’s requests pass two units: its own adds 4 GiB, the platform’s leads from there to memory. The program sees one space.',
  ],
  next: [
    'Let both spaces be nested on a dummy root, as flow-4.3-software-nesting.v2 has it. What is charged then?',
    '42-device-mmu shows mmu0 alone.',
  ],
  ...MIXED_HARDWARE,

  run: (s) => mixedIommus(s, 2),
});
