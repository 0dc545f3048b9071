/** Flow 4.7 of the proposal: a group of several devices, in the words of version 2. */
import { scenario } from '../src/index.ts';
import { GROUP_HARDWARE, groups } from './flow/group.ts';

export default scenario({
  name: 'flow-4.7-group.v2',
  title: 'A group of several devices (version 2)',
  question:
    'Who owns a device whose requests cannot be told from another’s, and which of the two decides where they go?',
  look: [
    'In version 2 the bind is the point of security: from the first one on the whole group is the owner’s, and nobody else is hurt when one device reaches what the other one does.',
    'The bridge puts its own id on what comes from behind it: one entry of the IOMMU serves both devices, and attaching the second one writes nothing.',
    'Detaching one of them blocks neither. That is no hole: it could never be kept from what the other one reaches.',
  ],
  next: [
    'Compare with flow-4.7-group.v1, line by line: which of its calls answer -EDEADLK?',
    'npx ioasim inspect tables --scenario flow-4.7-group.v2 --dma 2 --requester pci0: whose name does the entry have?',
  ],
  ...GROUP_HARDWARE,

  run: (s) => groups(s, 2),
});
