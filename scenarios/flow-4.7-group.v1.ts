/** Flow 4.7 of the proposal: a group of several devices, in the words of version 1. */
import { scenario } from '../src/index.ts';
import { GROUP_HARDWARE, groups } from './flow/group.ts';

export default scenario({
  name: 'flow-4.7-group.v1',
  title: 'A group of several devices (version 1)',
  question:
    'Who owns a device whose requests cannot be told from another’s, and which of the two decides where they go?',
  look: [
    'Version 1 checks when commands come: while a device of the group is missing, the space answers -EDEADLK to all of them.',
    'The bridge puts its own id on what comes from behind it: one entry of the IOMMU serves both devices, and attaching the second one writes nothing.',
    'Detaching one of them blocks neither. That is no hole: it could never be kept from what the other one reaches.',
  ],
  next: [
    'Compare with flow-4.7-group.v2, line by line: what is checked later here, and what earlier?',
    'npx ioasim inspect tables --scenario flow-4.7-group.v1 --dma 2 --requester pci0: whose name does the entry have?',
  ],
  ...GROUP_HARDWARE,

  run: (s) => groups(s, 1),
});
