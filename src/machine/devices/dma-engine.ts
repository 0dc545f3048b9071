import { DMA_ENGINE, DmaEngine } from '../../../hardware/devices/dma-engine/index.ts';
import { powerOfTwo, section, whole } from '../kinds.ts';
import { model, payloadSupported } from './model.ts';

export const DMA_ENGINE_MODEL = model(
  'dma-engine',
  {
    payloadSupported: payloadSupported().default(DMA_ENGINE.payloadSupported),
    /** Reads that it may have outstanding. */
    tags: whole(1, 256).default(DMA_ENGINE.tags),
    /** Width of the PASIDs that it can send; 0 for none. */
    pasidWidth: whole(0, 20).default(DMA_ENGINE.pasidWidth),
    /** It keeps translations (ATS); `null`: it does not. */
    deviceTlb: section({ sets: powerOfTwo(65_536), ways: whole(1, 4096) })
      .nullable()
      .default(DMA_ENGINE.deviceTlb),
    /** Page requests that it can have outstanding (PRI); only with a device-TLB. */
    pageRequests: whole(0, 4096).default(DMA_ENGINE.pageRequests),
    /** Virtual functions that it can have (SR-IOV): dma0v0, dma0v1 and so on. More than 7 only behind a port. */
    vfs: whole(0, 1024).default(DMA_ENGINE.vfs),
  },
  (engine, spec) => new DmaEngine(engine, spec),
);
