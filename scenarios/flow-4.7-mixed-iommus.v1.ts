/** Flow 4.7 of the proposal: IOMMUs that differ, in the words of version 1. */
import { scenario } from '../src/index.ts';
import { MIXED_HARDWARE, mixedIommus } from './flow/mixed.ts';

export default scenario({
  name: 'flow-4.7-mixed-iommus.v1',
  title: 'Devices behind different IOMMUs (version 1)',
  question: 'What does a program do when a second device cannot use the I/O page table of the first?',
  look: [
    'The attach fails, and changes nothing: nobody has asked before what the devices have in common, and in version 1 nobody can.',
    'A space is one table. Two tables of the same memory are two spaces, and the memory is charged twice.',
    'The kernel’s driver for mmu0 stands in front of the platform’s, so that mmu0’s requests pass two units: its own adds 4 GiB, the platform’s leads from there to memory. The program sees one space.',
  ],
  next: [
    'Compare with flow-4.7-mixed-iommus.v2: which call says beforehand what the attach says here?',
    '42-device-mmu shows mmu0 alone.',
  ],
  ...MIXED_HARDWARE,

  run: (s) => mixedIommus(s, 1),
});
