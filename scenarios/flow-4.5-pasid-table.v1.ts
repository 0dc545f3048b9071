/** Flow 4.5 of the proposal with a PASID table of the guest's own, in the words of version 1. */
import { scenario } from '../src/index.ts';
import { guestPasidTable } from './flow/pasid-table.ts';

export default scenario({
  name: 'flow-4.5-pasid-table.v1',
  title: 'A PASID table of the guest (version 1)',
  question: 'Why does version 1 want tables bound that hardware finds by itself?',
  look: [
    'The kernel writes one entry of its own, and nothing into the guest’s PASID table: BIND_PGTABLE of the process’s space reaches no hardware.',
    'What is invalidated for that space is invalidated for its PASID.',
    'The fault names the process’s space, which is what it was bound for.',
  ],
  next: [
    'Compare with flow-4.5-pasid-table.v2. Which of the calls here are not there, and who does now what they did?',
  ],
  machine: 'amd-full',
  needs: ['user PASID tables'],

  run: (s) => guestPasidTable(s, 1),
});
