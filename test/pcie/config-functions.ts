/** Functions whose configuration space is looked at by several tests, and how software finds capabilities in it. */
import { AcsBit, type BarSpec, type ConfigSpace, type ConfigSpec, PortType } from '../../hardware/pcie/index.ts';

export const BAR_0: BarSpec = { index: 0, size: 0x1_0000, wide: true, prefetchable: true };
export const VF_BAR: BarSpec = { index: 0, size: 0x4000, wide: true, prefetchable: true };

/** An endpoint with one of everything. */
export const EVERYTHING: ConfigSpec = {
  vendor: 0xd3a0,
  device: 0x0002,
  revision: 1,
  classCode: 0x08_80_00,
  bars: [BAR_0, { index: 2, size: 0x1000, wide: false, prefetchable: false }],
  msiVectors: 8,
  msiMasking: true,
  payloadSupported: 512,
  pciExpress: { flr: true, tenBitTags: true, atomicCompleter: true, completionTimeoutRanges: 0xf },
  capabilities: {
    powerManagement: {},
    msix: { vectors: 65, table: { bar: 0, offset: 0x2000 }, pending: { bar: 0, offset: 0x3000 } },
    serialNumber: [0x0011_2233, 0x4455_6677],
    aer: true,
    acs: { services: AcsBit.REQUEST_REDIRECT | AcsBit.EGRESS_CONTROL, egressTargets: 40 },
    ari: { nextFunction: 4 },
    sriov: {
      totalVfs: 8,
      firstOffset: 0x80,
      stride: 2,
      device: 0x0003,
      bars: [VF_BAR],
      capabilities: {
        msix: { vectors: 2, table: { bar: 0, offset: 0 }, pending: { bar: 0, offset: 0x800 } },
        ats: { queueDepth: 32, pageAligned: true },
        aer: true,
      },
    },
    ats: { queueDepth: 32, pageAligned: true, globalInvalidate: true },
    pri: { capacity: 64, responsePasidRequired: true },
    pasid: { width: 20, execute: true, privileged: true },
    siov: { ims: true },
  },
};

/** An endpoint with nothing beside its PCI Express capability. */
export const PLAIN: ConfigSpec = {
  vendor: 0xd3a0,
  device: 0x0004,
  revision: 0,
  classCode: 0x02_00_00,
  bars: [],
  msiVectors: 0,
  payloadSupported: 256,
};

export const ROOT_PORT: ConfigSpec = {
  ...PLAIN,
  classCode: 0x06_04_00,
  portType: PortType.ROOT_PORT,
  pciExpress: { ariForwarding: true, atomicRouting: true },
  capabilities: { aer: true, acs: { services: 0x5f } },
};

/** Offset of the capability with this id in the list that starts at the capabilities pointer, or 0. */
export function find(config: ConfigSpace, id: number): number {
  let at = config.read(0x34, 1);
  while (at !== 0 && config.read(at, 1) !== id) at = config.read(at + 1, 1);
  return at;
}

/** Offset of the capability with this id in the list that starts at 0x100, or 0. */
export function findExtended(config: ConfigSpace, id: number): number {
  let at = config.read(0x100, 4) === 0 ? 0 : 0x100;
  while (at !== 0 && config.read(at, 2) !== id) at = config.read(at + 2, 2) >>> 4;
  return at;
}

/** The 16-byte header that a request would leave in a log. */
export const HEADER = [0x0000_0001, 0x0008_2a0f, 0x0000_0012, 0x3456_7890] as const;
