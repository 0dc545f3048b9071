/** Flow 4.7 of the proposal: the end, in the words of version 2. */
import { scenario } from '../src/index.ts';
import { teardown } from './flow/teardown.ts';

export default scenario({
  name: 'flow-4.7-teardown.v2',
  title: 'Teardown in whatever order (version 2)',
  question: 'Who keeps an I/O address space alive, and what does hardware still have after each file that is closed?',
  look: [
    'Closing a device’s file takes away its right to issue requests (Bus Master Enable), clears its entry and has the caches forget it. No other device is touched.',
    'The space keeps its mappings without any device. They end with the descriptor, or with the last device that holds what is behind it.',
    'A device holds what it is bound to: a closed descriptor is not the end of it, only of commands.',
  ],
  next: [
    'Look in the trace for the read that was under way when dma1’s file was closed: where does its data go?',
    'npx ioasim run flow-4.7-teardown.v2 --set kernel.deviceReset=release: what do the devices forget?',
  ],

  run: (s) => teardown(s, 2),
});
