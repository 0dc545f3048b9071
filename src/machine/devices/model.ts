/** What a device model is to a machine: a name, what its specification may say, and how it is built. */
import type { z } from 'zod';
import type { Device } from '../../../hardware/pcie/index.ts';
import type { Engine } from '../../../hardware/sim/index.ts';
import { deviceName, place } from '../fabric/schema.ts';
import { choice, oneOf, section } from '../kinds.ts';

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

/** Largest payload in bytes that a device can handle. */
export function payloadSupported() {
  return choice([128, 256, 512, 1024, 2048, 4096]);
}

/** A model from its name, the fields of its own, and what builds it. */
export function model<const Name extends string, S extends z.core.$ZodLooseShape>(
  name: Name,
  shape: S,
  build: (engine: Engine, spec: Identity & z.output<z.ZodObject<S>>) => Device,
) {
  const schema = section({ ...COMMON, model: oneOf([name]), ...shape });
  return { name, schema, build: build as (engine: Engine, spec: Identity) => Device };
}
