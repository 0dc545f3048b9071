/** The device models that a machine may have. A new device is one more file here and one more line in the table. */
import { z } from 'zod';
import type { Device } from '../../../hardware/pcie/index.ts';
import type { Engine } from '../../../hardware/sim/index.ts';
import { quote } from '../input-error.ts';
import { ACCELERATOR_MODEL } from './accelerator.ts';
import { DMA_ENGINE_MODEL } from './dma-engine.ts';
import { EDU_MODEL } from './edu.ts';
import { MALICIOUS_MODEL } from './malicious.ts';
import { MMU_ENGINE_MODEL } from './mmu-engine.ts';
import { NIC_MODEL } from './nic.ts';
import { NVME_MODEL } from './nvme.ts';
import { STALL_ENGINE_MODEL } from './stall-engine.ts';

const MODELS = [
  DMA_ENGINE_MODEL,
  EDU_MODEL,
  NIC_MODEL,
  ACCELERATOR_MODEL,
  NVME_MODEL,
  MALICIOUS_MODEL,
  MMU_ENGINE_MODEL,
  STALL_ENGINE_MODEL,
] as const;

type SchemasOf<T extends readonly { readonly schema: unknown }[]> = { -readonly [I in keyof T]: T[I]['schema'] };

export const DEVICE = z.discriminatedUnion(
  'model',
  MODELS.map(({ schema }) => schema) as unknown as SchemasOf<typeof MODELS>,
  {
    error: ({ code }) =>
      code === 'invalid_union'
        ? `one of ${MODELS.map(({ name }) => quote(name)).join(', ')}`
        : 'an object with the fields name, model, at and those of its model',
  },
);

export type DeviceSpec = z.output<typeof DEVICE>;

/** The device of a specification, as the function `requester`. */
export function buildDevice(engine: Engine, spec: DeviceSpec, requester: number): Device {
  const { build } = MODELS.find(({ name }) => name === spec.model)!;
  return build(engine, { ...spec, requester });
}
