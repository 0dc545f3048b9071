/**
 * The device models that a machine may have: for each its name, what its specification may say, and how it is built. A new
 * device is one more entry here.
 */
import { z } from 'zod';
import { DMA_ENGINE, DmaEngine } from '../../hardware/devices/dma-engine/index.ts';
import { NIC, Nic } from '../../hardware/devices/nic/index.ts';
import type { Device } from '../../hardware/pcie/index.ts';
import type { Engine } from '../../hardware/sim/index.ts';
import { deviceName, place } from './fabric/schema.ts';
import { quote } from './input-error.ts';
import { choice, oneOf, powerOfTwo, section, whole } from './kinds.ts';

/** Who the device is in its machine. */
export interface Identity {
  readonly name: string;
  readonly requester: number;
}

/** What every device says of itself. */
const COMMON = {
  /** How traces, programs and /dev/vfio/devices call it. */
  name: deviceName(),
  /** Bus, device and function. */
  at: place(),
};

const payloadSupported = choice([128, 256, 512, 1024, 2048, 4096]);

/** One model: its schema, and how it is built from what the schema lets through. */
function model<const Name extends string, S extends z.core.$ZodLooseShape>(
  name: Name,
  shape: S,
  build: (engine: Engine, spec: Identity & z.output<z.ZodObject<S>>) => Device,
) {
  const schema = section({ ...COMMON, model: oneOf([name]), ...shape });
  return { name, schema, build: build as (engine: Engine, spec: Identity) => Device };
}

const DMA_ENGINE_MODEL = model(
  'dma-engine',
  {
    /** Largest payload in bytes that the device can handle, and reads that it may have outstanding. */
    payloadSupported: payloadSupported.default(DMA_ENGINE.payloadSupported),
    tags: whole(1, 256).default(DMA_ENGINE.tags),
    /** Width of the PASIDs that it can send; 0 for none. */
    pasidWidth: whole(0, 20).default(DMA_ENGINE.pasidWidth),
    /** It keeps translations (ATS); `null`: it does not. */
    deviceTlb: section({ sets: powerOfTwo(65_536), ways: whole(1, 4096) })
      .nullable()
      .default(DMA_ENGINE.deviceTlb),
    /** Page requests that it can have outstanding (PRI); only with a device-TLB. */
    pageRequests: whole(0, 4096).default(DMA_ENGINE.pageRequests),
  },
  (engine, spec) => new DmaEngine(engine, spec),
);

const NIC_MODEL = model(
  'nic',
  {
    payloadSupported: payloadSupported.default(NIC.payloadSupported),
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

const MODELS = [DMA_ENGINE_MODEL, NIC_MODEL] as const;

export const DEVICE = z.discriminatedUnion('model', [DMA_ENGINE_MODEL.schema, NIC_MODEL.schema], {
  error: ({ code }) =>
    code === 'invalid_union' ? oneOfModels() : 'an object with the fields name, model, at and those of its model',
});

export type DeviceSpec = z.output<typeof DEVICE>;

/** The device of a specification, as the function `requester`. */
export function buildDevice(engine: Engine, spec: DeviceSpec, requester: number): Device {
  const { build } = MODELS.find(({ name }) => name === spec.model)!;
  return build(engine, { ...spec, requester });
}

function oneOfModels(): string {
  const names = MODELS.map(({ name }) => quote(name));
  return names.length === 1 ? names[0]! : `one of ${names.join(', ')}`;
}
