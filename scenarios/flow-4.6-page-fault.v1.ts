/** Flow 4.6 of the proposal, in the words of version 1. */
import { scenario } from '../src/index.ts';
import { FAULTING_HARDWARE, pageFault } from './flow/page-fault.ts';

export default scenario({
  name: 'flow-4.6-page-fault.v1',
  title: 'A page fault of a device, answered by a program (version 1)',
  question: 'How does a program serve a page fault of a device when it is not told which device that was?',
  look: [
    'The device asks by a message (PageReq) which the IOMMU puts into a queue in memory; the kernel reads it there and the program reads it from its descriptor.',
    'What the program does about it depends on whose table it is: it maps a page in the kernel’s, or writes an entry in its own. An entry that was empty is cached nowhere, so nothing has to be invalidated.',
    'The answer is one command to the IOMMU, which sends one message to the device (PRGResp). The kernel has kept whom it is for.',
    'Each request is answered once, by the kernel when the program is gone or the device is detached.',
  ],
  next: [
    'npx ioasim run flow-4.6-page-fault.v1 --machine amd-full: which command takes the place of the page group response descriptor?',
    'Compare with flow-4.6-page-fault.v2: what does its record say that this one does not, and who asked for that?',
  ],
  ...FAULTING_HARDWARE,

  run: (s) => pageFault(s, 1),
});
