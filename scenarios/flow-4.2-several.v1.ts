/** Flow 4.2 of the proposal, in the words of version 1. */
import { scenario } from '../src/index.ts';
import { severalSpaces } from './flow/several.ts';

export default scenario({
  name: 'flow-4.2-several.v1',
  title: 'Several I/O address spaces without nesting (version 1)',
  question: 'What does a guest with an IOMMU of its own cost when its VMM does the merging?',
  look: [
    'The two devices’ entries name the same table, then two. The last entries of both tables name one frame.',
    'The memory is registered before it is mapped: it is charged then, and by no mapping again.',
  ],
  next: ['Leave out the registration. What does the second mapping cost, and what does flow-4.2-several.v2?'],

  run: (s) => severalSpaces(s, 1),
});
