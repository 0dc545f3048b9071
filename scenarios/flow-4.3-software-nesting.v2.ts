/** Flow 4.3 of the proposal, in the words of version 2. */
import { scenario } from '../src/index.ts';
import { softwareNesting } from './flow/software-nesting.ts';

export default scenario({
  name: 'flow-4.3-software-nesting.v2',
  title: 'Software nesting (version 2)',
  question: 'Who finds out where a guest’s I/O virtual address lies when hardware has one table for two steps?',
  look: [
    'The guest’s mapping names a page of the parent space. What is written into the table is the frame that the parent has there.',
    'What the parent loses the merged table loses with it, and hardware is told of both.',
    'A root that no device is attached to pins each page once, and spaces nested on it cost nothing more.',
  ],
  next: ['Compare with flow-4.2-several.v2: who computed the address of the process there?'],

  run: (s) => softwareNesting(s, 2),
});
