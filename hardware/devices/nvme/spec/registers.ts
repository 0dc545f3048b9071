/** The registers of an NVM Express controller, in base address 0. */
import { bit, bits, register } from '../../../bits/index.ts';

const NVME = 'NVM Express Base 1.4, 3.1';

/** CC.CSS and the bit of CAP.CSS that stands for it. */
export const CommandSet = { NVM: 0 } as const;

export const ShutdownNotification = { NONE: 0, NORMAL: 1, ABRUPT: 2 } as const;
export const ShutdownStatus = { NORMAL_OPERATION: 0, OCCURRING: 1, COMPLETE: 2 } as const;

export const CAP = register('CAP', 0x00, 64, `${NVME}.1`, {
  MQES: bits(15, 0, 'RO', 'Maximum Queue Entries Supported, 0’s based'),
  CQR: bit(16, 'RO', 'Contiguous Queues Required'),
  AMS: bits(18, 17, 'RO', 'Arbitration Mechanism Supported beside round robin'),
  TO: bits(31, 24, 'RO', 'Timeout of CSTS.RDY, in units of 500 ms'),
  DSTRD: bits(35, 32, 'RO', 'Doorbell Stride: 4 bytes times 2 to the power of this'),
  NSSRS: bit(36, 'RO', 'NVM Subsystem Reset Supported'),
  CSS: bits(44, 37, 'RO', 'Command Sets Supported, one bit each'),
  BPS: bit(45, 'RO', 'Boot Partition Support'),
  MPSMIN: bits(51, 48, 'RO', 'Memory Page Size Minimum: 4 KiB times 2 to the power of this'),
  MPSMAX: bits(55, 52, 'RO', 'Memory Page Size Maximum'),
  PMRS: bit(56, 'RO', 'Persistent Memory Region Supported'),
  CMBS: bit(57, 'RO', 'Controller Memory Buffer Supported'),
});

export const VS = register('VS', 0x08, 32, `${NVME}.2`, {
  TER: bits(7, 0, 'RO', 'Tertiary Version Number'),
  MNR: bits(15, 8, 'RO', 'Minor Version Number'),
  MJR: bits(31, 16, 'RO', 'Major Version Number'),
});

export const INTMS = register('INTMS', 0x0c, 32, `${NVME}.3`, {
  IVMS: bits(31, 0, 'RW1S', 'Interrupt Vector Mask Set; of no effect on MSI-X'),
});

export const INTMC = register('INTMC', 0x10, 32, `${NVME}.4`, {
  IVMC: bits(31, 0, 'RW1C', 'Interrupt Vector Mask Clear; reads as the mask'),
});

export const CC = register('CC', 0x14, 32, `${NVME}.5`, {
  EN: bit(0, 'RW', 'Enable'),
  CSS: bits(6, 4, 'RW', 'I/O Command Set Selected', CommandSet),
  MPS: bits(10, 7, 'RW', 'Memory Page Size: 4 KiB times 2 to the power of this'),
  AMS: bits(13, 11, 'RW', 'Arbitration Mechanism Selected', { ROUND_ROBIN: 0 }),
  SHN: bits(15, 14, 'RW', 'Shutdown Notification', ShutdownNotification),
  IOSQES: bits(19, 16, 'RW', 'I/O Submission Queue Entry Size, a power of two'),
  IOCQES: bits(23, 20, 'RW', 'I/O Completion Queue Entry Size, a power of two'),
});

export const CSTS = register('CSTS', 0x1c, 32, `${NVME}.6`, {
  RDY: bit(0, 'RO', 'Ready'),
  CFS: bit(1, 'RO', 'Controller Fatal Status'),
  SHST: bits(3, 2, 'RO', 'Shutdown Status', ShutdownStatus),
  NSSRO: bit(4, 'RW1C', 'NVM Subsystem Reset Occurred'),
  PP: bit(5, 'RO', 'Processing Paused'),
});

export const NSSR = register('NSSR', 0x20, 32, `${NVME}.7`, {
  NSSRC: bits(31, 0, 'WO', 'NVM Subsystem Reset Control: "NVMe" resets, anything else does nothing'),
});

/** The letters "NVMe". */
export const NSSR_RESET = 0x4e56_4d65;

export const AQA = register('AQA', 0x24, 32, `${NVME}.8`, {
  ASQS: bits(11, 0, 'RW', 'Admin Submission Queue Size, 0’s based'),
  ACQS: bits(27, 16, 'RW', 'Admin Completion Queue Size, 0’s based'),
});

export const ASQ = register('ASQ', 0x28, 64, `${NVME}.9`, {
  ASQB: bits(63, 12, 'RW', 'Admin Submission Queue Base'),
});

export const ACQ = register('ACQ', 0x30, 64, `${NVME}.10`, {
  ACQB: bits(63, 12, 'RW', 'Admin Completion Queue Base'),
});

export const CMBLOC = register('CMBLOC', 0x38, 32, `${NVME}.11`, {
  BIR: bits(2, 0, 'RO', 'Base Indicator Register'),
  OFST: bits(31, 12, 'RO', 'Offset'),
});

export const CMBSZ = register('CMBSZ', 0x3c, 32, `${NVME}.12`, {
  SZU: bits(11, 8, 'RO', 'Size Units'),
  SZ: bits(31, 12, 'RO', 'Size; 0: there is no Controller Memory Buffer'),
});

export const NVME_REGISTERS = [CAP, VS, INTMS, INTMC, CC, CSTS, NSSR, AQA, ASQ, ACQ, CMBLOC, CMBSZ] as const;

export const REGISTER_BYTES = 0x1000;
export const DOORBELLS_AT = 0x1000;
/** Bytes between doorbells with CAP.DSTRD 0. */
export const DOORBELL_BYTES = 4;
export const DOORBELLS_END = 0x2000;

/** Submission Queue y Tail Doorbell. */
export function tailDoorbell(y: number): number {
  return DOORBELLS_AT + 2 * y * DOORBELL_BYTES;
}

/** Completion Queue y Head Doorbell. */
export function headDoorbell(y: number): number {
  return DOORBELLS_AT + (2 * y + 1) * DOORBELL_BYTES;
}
