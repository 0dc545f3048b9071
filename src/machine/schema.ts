/**
 * What a machine specification may say. A specification is plain JSON; every field says in words what it accepts, and
 * that sentence is what somebody reads who got it wrong.
 */
import { z } from 'zod';
import { DEFAULT_COSTS } from '../kernel/costs.ts';
import { DEVICE } from './devices/index.ts';
import { checkFunction0, checkPlaces } from './fabric/check.ts';
import { BRIDGES, ROOT_PORTS, SWITCHES } from './fabric/schema.ts';
import { IOMMU } from './iommu/schema.ts';
import { between, choice, flag, oneOf, section, text, whole, word } from './kinds.ts';
import { checkCredits, LINK_SECTION } from './link-schema.ts';
import { MEMORY_SECTION } from './memory-schema.ts';

export const MACHINE = section({
  name: text(),
  /** One sentence for `ioasim machines`. */
  description: text(),
  /** Start of every random sequence. */
  seed: whole(0, 2 ** 32 - 1),
  memory: MEMORY_SECTION,
  iommu: IOMMU,
  rootComplex: section({
    /** Nanoseconds of a memory request between its link and the IOMMU. */
    latency: between(0, 100_000, 'nanoseconds'),
    /** Nanoseconds of a CPU's access to configuration space and to registers, beside the link's. */
    configAccess: between(0, 100_000, 'nanoseconds'),
    mmioAccess: between(0, 100_000, 'nanoseconds'),
    /** Largest completion in bytes. */
    maxPayload: choice([128, 256, 512, 1024, 2048, 4096]),
    readCompletionBoundary: choice([64, 128]),
    /** Whether memory requests of one device reach the registers of another. */
    peerToPeer: flag().default(true),
  }),
  /** The link of each device to the root complex, and every other that does not say otherwise. */
  link: LINK_SECTION,
  /** Ports of the root complex, and what may stand between them and devices. */
  rootPorts: ROOT_PORTS.default([]),
  switches: SWITCHES.default([]),
  bridges: BRIDGES.default([]),
  devices: z
    .array(DEVICE, { error: 'a list of devices, each with the fields name, model, at' })
    .min(1, { error: 'a list with at least one device' })
    .superRefine((devices, context) => {
      for (const field of ['name', 'at'] as const) {
        devices.forEach((device, i) => {
          if (devices.findIndex((other) => other[field] === device[field]) === i) return;
          context.addIssue({ code: 'custom', path: [i, field], message: 'something that no other device has' });
        });
      }
      devices.forEach(({ at }, i) => {
        checkFunction0(at, devices, [i, 'at'], (path, message) => {
          context.addIssue({ code: 'custom', path: [...path], message });
        });
      });
    }),
  firmware: section({
    /** RAM that firmware goes on using together with devices (RMRR): the kernel maps it for them one to one. */
    reservedMemory: z
      .array(
        section({
          start: word(64),
          /** Of 4 KiB. */
          pages: whole(1, 2 ** 20),
          /** By name. */
          devices: z.array(text(), { error: 'a list of names of devices' }),
        }),
        { error: 'a list of ranges, each with the fields start, pages, devices' },
      )
      .default([]),
  }).default({ reservedMemory: [] }),
  kernel: section({
    /** When an unmap drops what the IOMMU has cached: before it returns, or (wrongly) never. */
    invalidate: oneOf(['strict', 'none']),
    /** In which mode IOMMUs work: the newest that they have, or the oldest. */
    iommuMode: oneOf(['auto', 'legacy']).default('auto'),
    /** Page requests that the queue of an IOMMU has places for; `null`: as many as its driver thinks right. */
    pageRequestPlaces: choice([256, 512, 1024, 2048, 4096, 8192, 16_384]).nullable().default(null),
    /** Whether the IOMMUs check the interrupts of devices, or let every write to the interrupt range be one. */
    interruptRemapping: oneOf(['off', 'on']).default('off'),
    /** When bridges let requests of devices up: as soon as they are found, or not before translation is on. */
    openBridges: oneOf(['found', 'translated']).default('found'),
    /** When devices that processes drive are reset: before they are given back, or (leaving them with their commands) never. */
    deviceReset: oneOf(['never', 'release']).default('never'),
    /** Whether devices that processes drive may keep translations, ask for pages and send PASIDs, where they and their IOMMU can. */
    trustDevices: flag().default(false),
    /** What devices of drivers inside the kernel reach: what is mapped for them, or (where the IOMMU can) all memory as it is. */
    defaultDomain: oneOf(['dma', 'identity']).default('dma'),
    /** When unmapped addresses of such a device can be used again: after an invalidation each, or after one for many. */
    dmaPolicy: oneOf(['strict', 'lazy']).default('strict'),
    /** What the kernel's own work takes, in nanoseconds. */
    costs: section({
      systemCall: between(0, 1_000_000, 'nanoseconds'),
      copyLine: between(0, 1_000_000, 'nanoseconds'),
      allocate: between(0, 1_000_000, 'nanoseconds'),
      clearPage: between(0, 1_000_000, 'nanoseconds'),
      pinPage: between(0, 1_000_000, 'nanoseconds'),
      iovaSearch: between(0, 1_000_000, 'nanoseconds').default(DEFAULT_COSTS.iovaSearch),
      iovaCached: between(0, 1_000_000, 'nanoseconds').default(DEFAULT_COSTS.iovaCached),
      writeEntry: between(0, 1_000_000, 'nanoseconds'),
      interruptEntry: between(0, 1_000_000, 'nanoseconds'),
      pollFirst: between(0.001, 1_000_000, 'nanoseconds'),
      pollLongest: between(0.001, 1_000_000, 'nanoseconds'),
      hardwareTimeout: between(0.001, 1_000_000_000, 'nanoseconds'),
    }),
  }),
}).superRefine((spec, context) => {
  const { link, rootPorts, switches, devices, rootComplex } = spec;
  checkPlaces(spec, (path, message) => {
    context.addIssue({ code: 'custom', path: [...path], message });
  });
  // A device without such a field speaks of no more than the smallest payload that there is.
  const payloads = devices.flatMap((device) => ('payloadSupported' in device ? device.payloadSupported : []));
  const payload = Math.max(rootComplex.maxPayload, ...payloads);
  const links = [
    { path: ['link'], link },
    ...rootPorts.map(({ link }, i) => ({ path: ['rootPorts', i, 'link'], link })),
    ...switches.map(({ link }, i) => ({ path: ['switches', i, 'link'], link })),
  ];
  for (const { path, link } of links) {
    if (link === null) continue;
    checkCredits(link.credits, payload, (type, message) => {
      context.addIssue({ code: 'custom', path: [...path, 'credits', type], message });
    });
  }
});

/** A complete machine, as plain JSON. */
export type MachineSpec = z.output<typeof MACHINE>;

/** The same as it may be written: what has a default may be left out. */
export type WrittenSpec = z.input<typeof MACHINE>;
