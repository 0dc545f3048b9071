import { z } from 'zod';
import { MOST_QUEUES, NVME, Nvme } from '../../../hardware/devices/nvme/index.ts';
import { InputError } from '../input-error.ts';
import { between, choice, section, whole } from '../kinds.ts';
import { model, payloadSupported } from './model.ts';

export const NVME_MODEL = model(
  'nvme',
  {
    payloadSupported: payloadSupported().default(NVME.payloadSupported),
    tags: whole(1, 768).default(NVME.tags),
    /** I/O queues of each kind, and entries of each. */
    queues: whole(1, MOST_QUEUES).default(NVME.queues),
    entries: whole(2, 65_536).default(NVME.entries),
    /** Commands that it works on at a time. */
    commands: whole(1, 1024).default(NVME.commands),
    /** Largest transfer of a command: 4 KiB times 2 to the power of this. */
    mdts: whole(1, 8).default(NVME.mdts),
    /** Nanoseconds until the disk has found its blocks, and from enable to ready. */
    access: between(0, 1_000_000_000, 'nanoseconds').default(NVME.access),
    enable: between(0, 500_000_000, 'nanoseconds').default(NVME.enable),
    blocks: whole(1, 2 ** 40).default(NVME.blocks),
    blockBytes: choice([512, 4096]).default(NVME.blockBytes),
    /** What is on the disk: bytes that follow from the seed. */
    files: z
      .array(section({ block: whole(0, 2 ** 40), bytes: whole(1, 2 ** 26), seed: whole(0, 255).default(0) }), {
        error: 'a list of files, each with the fields block, bytes',
      })
      .default([]),
  },
  (engine, spec) => {
    for (const { block, bytes } of spec.files) {
      if (block + Math.ceil(bytes / spec.blockBytes) <= spec.blocks) continue;
      throw new InputError(
        `The disk ${spec.name} of ${spec.blocks} blocks has no room for ${bytes} bytes at block ${block}.`,
      );
    }
    return new Nvme(engine, spec);
  },
);
