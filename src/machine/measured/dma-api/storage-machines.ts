/** Machines whose drives somebody has read with each way to invalidate. Rates of drives are those without anything else in the way. */
import type { InvalidatingMachineName } from '../invalidating-machines.ts';
import { parameter } from '../parameter.ts';
import { type DmaApiParameters, MODERN_LINUX, TWO_SOCKETS } from './machines.ts';
import type { StorageParameters } from './storage.ts';

export interface StorageMachine {
  readonly name: string;
  readonly dmaApi: DmaApiParameters;
  readonly queue: InvalidatingMachineName;
  readonly storage: StorageParameters;
  /** Where fio's are not said. */
  readonly cpus: number;
  readonly depth: number;
}

const MEBIBYTE = 2 ** 20;
const WORK = parameter(
  2000,
  'ns',
  'a read, in the block layer',
  'assumed',
  'io_uring: about 500,000 per core and second',
);
const LATENCY = parameter(
  80_000,
  'ns',
  'a read that waits for no other',
  'assumed',
  'flash of this kind: 65 to 100 us',
);

export const STORAGE_MACHINES = {
  c6620: {
    name: 'CloudLab c6620, of whose IOMMU nothing is published: its times are those of Ice Lake and so of Broadwell',
    dmaApi: MODERN_LINUX,
    queue: 'silver',
    storage: {
      drives: parameter(1, 'drives', 'that are read', 'published', 'zhzh2001/nvme-iommu'),
      rate: parameter(
        (2200.17 * MEBIBYTE) / 4096,
        '1/s',
        'reads of 4 KiB: as many bytes as the drive reads in sequence',
        'derived',
        'zhzh2001/nvme-iommu, seqread_128k with pass-through: 2,200.17 MiB/s',
      ),
      latency: LATENCY,
      work: WORK,
    },
    cpus: 4,
    depth: 128,
  },
  grace: {
    name: 'two sockets of Grace: a VT-d unit of Broadwell stands for each SMMUv3, with one consumer of one ring like it',
    dmaApi: TWO_SOCKETS,
    queue: 'silver',
    storage: {
      drives: parameter(8, 'drives', 'that are read', 'published', 'NVIDIA/NV-Kernels #182'),
      rate: parameter(
        2e6,
        '1/s',
        'reads of 4 KiB',
        'published',
        'NVIDIA/NV-Kernels #182: what one of these drives reaches',
      ),
      latency: LATENCY,
      work: WORK,
    },
    // Nothing is said: enough for the drives.
    cpus: 64,
    depth: 24,
  },
} as const satisfies Readonly<Record<string, StorageMachine>>;

export type StorageMachineName = keyof typeof STORAGE_MACHINES;
