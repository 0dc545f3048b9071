import { NIC, Nic } from '../../../hardware/devices/nic/index.ts';
import { whole } from '../kinds.ts';
import { model, payloadSupported } from './model.ts';

export const NIC_MODEL = model(
  'nic',
  {
    payloadSupported: payloadSupported().default(NIC.payloadSupported),
    tags: whole(1, 768).default(NIC.tags),
    /** Queues of each kind. */
    queues: whole(1, 64).default(NIC.queues),
    /** Gigabits per second on the wire. */
    lineRate: whole(1, 1600).default(NIC.lineRate),
    /** Bytes of frames that wait for memory. */
    buffer: whole(0x4000, 0x1000_0000).default(NIC.buffer),
    /** Descriptors that a queue reads and writes back at a time, and frames that it reads at a time. */
    prefetch: whole(1, 256).default(NIC.prefetch),
    writeBack: whole(1, 256).default(NIC.writeBack),
    framesRead: whole(1, 256).default(NIC.framesRead),
  },
  (engine, spec) => new Nic(engine, spec),
);
