/** Flow 4.3 of the proposal, in the words of version 1. */
import { scenario } from '../src/index.ts';
import { softwareNesting } from './flow/software-nesting.ts';

export default scenario({
  name: 'flow-4.3-software-nesting.v1',
  title: 'Software nesting (version 1)',
  question: 'Who finds out where a guest’s I/O virtual address lies when hardware has one table for two steps?',
  look: [
    'A child is a space like any other, made by IOASID_CREATE_NESTING; only its vaddr means something else.',
    'The guest’s mapping names a page of the parent space. What is written into the table is the frame that the parent has there.',
    'What the parent loses the merged table loses with it, and hardware is told of both.',
  ],
  next: [
    'Compare with flow-4.2-several.v1: who computed the address of the process there, and what kept the memory from being charged twice?',
    'Compare with flow-4.4-hardware-nesting.v1, where IOASID_CREATE_NESTING is the same and the next call is another.',
  ],

  run: (s) => softwareNesting(s, 1),
});
