/** Flow 4.2 of the proposal, in the words of version 2. */
import { scenario } from '../src/index.ts';
import { severalSpaces } from './flow/several.ts';

export default scenario({
  name: 'flow-4.2-several.v2',
  title: 'Several I/O address spaces without nesting (version 2)',
  question: 'What does a guest with an IOMMU of its own cost when its VMM does the merging?',
  look: [
    'The two devices’ entries name the same table, then two. The last entries of both tables name one frame.',
    'The page is pinned and charged twice.',
  ],
  next: ['Compare with flow-4.3-software-nesting.v2, where the kernel does what the VMM does here.'],

  run: (s) => severalSpaces(s, 2),
});
