/** Flow 4.5 of the proposal with a PASID table of the guest's own, in the words of version 2. */
import { scenario } from '../src/index.ts';
import { guestPasidTable } from './flow/pasid-table.ts';

export default scenario({
  name: 'flow-4.5-pasid-table.v2',
  title: 'A PASID table of the guest (version 2)',
  question: 'Who decides which PASIDs a device may use, when the guest keeps the table of them?',
  look: [
    'One entry of the device leads to everything: from then on the kernel has no part in which PASIDs there are.',
    'An invalidation names the PASID, and the cache: of translations, or of entries of the PASID table.',
    'The fault names the space of the table, and the PASID.',
  ],
  next: ['Compare with flow-4.5-pasid-table.v1. Which of its calls are not here, and who does now what they did?'],
  machine: 'amd-full',
  needs: ['user PASID tables'],

  run: (s) => guestPasidTable(s, 2),
});
