import { STALL_ENGINE, StallEngine } from '../../../hardware/devices/stall-engine/index.ts';
import { powerOfTwo, section, whole } from '../kinds.ts';
import { model, payloadSupported } from './model.ts';

export const STALL_ENGINE_MODEL = model(
  'stall-engine',
  {
    payloadSupported: payloadSupported().default(STALL_ENGINE.payloadSupported),
    /** Reads that it may have outstanding. */
    tags: whole(1, 256).default(STALL_ENGINE.tags),
    /** Width of the PASIDs that it can send; 0 for none. */
    pasidWidth: whole(0, 20).default(STALL_ENGINE.pasidWidth),
    /** The translations that it keeps (ATS). */
    deviceTlb: section({ sets: powerOfTwo(65_536), ways: whole(1, 4096) }).default(STALL_ENGINE.deviceTlb),
  },
  (engine, spec) => new StallEngine(engine, spec),
);
