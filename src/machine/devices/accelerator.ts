import { ACCELERATOR, Accelerator } from '../../../hardware/devices/accelerator/index.ts';
import { choice, flag, whole } from '../kinds.ts';
import { model, payloadSupported } from './model.ts';

export const ACCELERATOR_MODEL = model(
  'accelerator',
  {
    /** 256: without an event log; 512: with one. */
    version: choice([0x100, 0x200]).default(ACCELERATOR.version),
    workQueues: whole(1, 64).default(ACCELERATOR.workQueues),
    groups: whole(1, 16).default(ACCELERATOR.groups),
    engines: whole(1, 32).default(ACCELERATOR.engines),
    /** Of all work queues together. */
    entries: whole(1, 65_535).default(ACCELERATOR.entries),
    /** log2 of the largest transfer, and of the most descriptors of a batch. */
    maxTransferShift: whole(0, 31).default(ACCELERATOR.maxTransferShift),
    maxBatchShift: whole(1, 15).default(ACCELERATOR.maxBatchShift),
    /** Descriptors that an engine works on at a time. */
    descriptorsInProgress: whole(1, 64).default(ACCELERATOR.descriptorsInProgress),
    interruptHandles: flag().default(ACCELERATOR.interruptHandles),
    pageRequests: whole(1, 512).default(ACCELERATOR.pageRequests),
    /** How often a page is asked for that does not come in spite of a successful response. */
    pageAttempts: whole(1, 64).default(ACCELERATOR.pageAttempts),
    payloadSupported: payloadSupported().default(ACCELERATOR.payloadSupported),
    tags: whole(1, 768).default(ACCELERATOR.tags),
  },
  (engine, spec) => new Accelerator(engine, spec),
);
