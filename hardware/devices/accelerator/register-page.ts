/** The registers and tables behind base address 0: what they say at first, and what software may change when. */
import { encode, type Placement, RegisterFile } from '../../bits/index.ts';
import { checkCount } from '../count.ts';
import { type AcceleratorSpec, vectorsOf } from './model.ts';
import {
  CMDCAP,
  Command,
  DeviceState,
  ENGCAP,
  EVL_SUPPORT,
  EVLCFG,
  GENCAP,
  GENCFG,
  GENSTS,
  GRPCAP,
  GRPCFG,
  GRPCFG_BYTES,
  LAYOUTS,
  MSIXPERM,
  MSIXPERM_BYTES,
  OPCAP,
  Opcode,
  type OpcodeName,
  REGISTERS,
  TABLE_GRANULE,
  TABLE_OFFSETS,
  Table,
  VERSION,
  Version,
  WQCAP,
  WQCFG,
  WQCFG_BYTES,
  WQCFG_SIZE,
} from './spec/index.ts';

const PAGE_BYTES = 0x9000;
/** Most groups, work queues and engines for which the tables and bitmaps here have room. */
const MOST = { groups: 16, workQueues: 64, engines: 32 } as const;

export function buildRegisters(spec: AcceleratorSpec): RegisterFile {
  for (const [what, most] of Object.entries(MOST)) {
    checkCount(spec.name, what, spec[what as keyof typeof MOST], most);
  }
  const registers = new RegisterFile(PAGE_BYTES, [...REGISTERS, ...tablesOf(spec)]);
  announce(registers, spec);
  for (let i = 0; i < spec.workQueues; i++) {
    const offset = Table.WQCFG + i * WQCFG_BYTES;
    registers.initialWords(offset, [...firstWorkQueue()]);
    encode(WQCFG, noOperation()).forEach((mask, word) => {
      registers.withholdBits(offset + word * 4, mask);
    });
  }
  for (let i = 0; i < spec.groups; i++) {
    const offset = Table.GRPCFG + i * GRPCFG_BYTES;
    const exists = encode(GRPCFG, {
      WQS_0: (1n << BigInt(spec.workQueues)) - 1n,
      ENGINES: (1n << BigInt(spec.engines)) - 1n,
    });
    for (let word = 0; word < GRPCFG.TC_A.word; word++) registers.withholdBits(offset + word * 4, ~exists[word]!);
  }
  return registers;
}

/** WQCFG of a queue that nobody has configured: it may do whatever the device does. */
export function firstWorkQueue(): Uint32Array {
  return encode(WQCFG, { ...operationBits(), MODE_SUPPORT: 1 });
}

/** What is configured stays as it is while the device is not disabled. */
export function lockConfiguration(registers: RegisterFile, spec: AcceleratorSpec): void {
  const locked = GENSTS.STATE.get(registers.words) !== DeviceState.DISABLED;
  for (const { $ } of [GENCFG, EVLCFG]) registers.lock($.offset!, $.words, locked);
  registers.lock(Table.GRPCFG, (spec.groups * GRPCFG_BYTES) / 4, locked);
  for (let i = 0; i < spec.workQueues; i++) registers.lock(Table.WQCFG + i * WQCFG_BYTES, 1, locked);
}

/** Commands that the device knows. */
export function commandsOf({ interruptHandles }: AcceleratorSpec): number {
  const { REQUEST_INT_HANDLE, RELEASE_INT_HANDLE } = Command;
  const codes = Object.values(Command).filter(
    (code) => interruptHandles || (code !== REQUEST_INT_HANDLE && code !== RELEASE_INT_HANDLE),
  );
  return codes.reduce((mask, code) => mask | (1 << code), 0) >>> 0;
}

function announce(registers: RegisterFile, spec: AcceleratorSpec): void {
  registers.initial(VERSION, { VERSION: spec.version });
  registers.initial(GENCAP, {
    BLOCK_ON_FAULT: 1,
    OVERLAP_COPY: 1,
    CACHE_CTL_MEM: 1,
    CACHE_CTL_CACHE: 1,
    CMD_CAP: 1,
    EVL_SUPPORT: spec.version >= Version.V2 ? EVL_SUPPORT : 0,
    MAX_XFER_SHIFT: spec.maxTransferShift,
    MAX_BATCH_SHIFT: spec.maxBatchShift,
    CONFIG_EN: 1,
  });
  registers.initial(WQCAP, {
    TOTAL_WQ_SIZE: spec.entries,
    NUM_WQS: spec.workQueues,
    WQCFG_SIZE,
    SHARED_MODE: 1,
    DEDICATED_MODE: 1,
    WQ_ATS_SUPPORT: 1,
    PRIORITY: 1,
    OCCUPANCY: 1,
    OP_CONFIG: 1,
    WQ_PRS_SUPPORT: 1,
  });
  registers.initial(GRPCAP, { NUM_GROUPS: spec.groups });
  registers.initial(ENGCAP, { NUM_ENGINES: spec.engines });
  registers.initial(OPCAP, operationBits());
  registers.initial(TABLE_OFFSETS, {
    GRPCFG: Table.GRPCFG / TABLE_GRANULE,
    WQCFG: Table.WQCFG / TABLE_GRANULE,
    MSIXPERM: Table.MSIXPERM / TABLE_GRANULE,
  });
  registers.initial(CMDCAP, { COMMANDS: commandsOf(spec) });
  if (spec.version < Version.V2) {
    registers.withhold(GENCFG, ['EVL_EN']);
    registers.withhold(
      EVLCFG,
      EVLCFG.$.fields.map(({ name }) => name),
    );
  }
}

function tablesOf(spec: AcceleratorSpec): Placement[] {
  const place = (layout: Placement['layout'], table: number, bytes: number, count: number): Placement[] =>
    Array.from({ length: count }, (_, i) => ({ layout, offset: table + i * bytes }));
  return [
    ...place(GRPCFG, Table.GRPCFG, GRPCFG_BYTES, spec.groups),
    ...place(WQCFG, Table.WQCFG, WQCFG_BYTES, spec.workQueues),
    ...place(MSIXPERM, Table.MSIXPERM, MSIXPERM_BYTES, vectorsOf(spec)),
  ];
}

/** 1 for each operation that the device does. */
function operationBits(): Partial<Record<OpcodeName, number>> {
  return Object.fromEntries(Object.keys(LAYOUTS).map((name) => [name, 1]));
}

/** 1 for each that it does not do. */
function noOperation(): Partial<Record<OpcodeName, number>> {
  return Object.fromEntries(
    Object.keys(Opcode)
      .filter((name) => !(name in LAYOUTS))
      .map((name) => [name, 1]),
  );
}
