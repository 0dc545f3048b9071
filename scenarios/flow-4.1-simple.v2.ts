/** Flow 4.1 of the proposal, in the words of version 2. */
import { scenario } from '../src/index.ts';
import { simpleAssignment } from './flow/simple.ts';

export default scenario({
  name: 'flow-4.1-simple.v2',
  title: 'Devices assigned to a guest (version 2)',
  question: 'Which of the calls that assign a device to a guest change hardware, and what do they change there?',
  look: [
    'The notes say of each call which words it changed, which registers it wrote and what was invalidated. Attach, detach, map and unmap reach the IOMMU. Open and alloc reach nothing, and bind only lets the device issue requests (Bus Master Enable in its configuration space).',
    'The second device brings one entry of its own, and not one page table.',
  ],
  next: [
    'Run on a machine of the other vendor (--machine amd-full): what takes the place of the context entry?',
    'Map before the first device is attached. What would version 1 answer?',
  ],

  run: (s) => simpleAssignment(s, 2),
});
