import { EDU, Edu } from '../../../hardware/devices/edu/index.ts';
import { whole } from '../kinds.ts';
import { model } from './model.ts';

export const EDU_MODEL = model(
  'edu',
  {
    /** Bits of an address that its DMA can express: the others are cleared. */
    addressBits: whole(12, 64).default(EDU.addressBits),
    /** Milliseconds of a DMA. */
    dmaTime: whole(0, 10_000).default(EDU.dmaTime),
  },
  (engine, spec) => new Edu(engine, spec),
);
