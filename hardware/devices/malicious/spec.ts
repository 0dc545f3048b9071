/**
 * The data sheet of the malicious device: its owner fills in a TLP header field by field, and the device sends it as it
 * stands, once or as a flood. It obeys nothing that is written to its configuration space: neither Bus Master Enable nor
 * the enables of ATS, PRI and PASID hold it back. No such device exists outside this simulator, one hopes.
 *
 * Base address 0 is 64 bits wide and 16 KiB large: registers from 0x0000, 4 KiB of data to send from 0x1000, 4 KiB from
 * 0x2000 into which the data of completions fall, the latest at the start, nothing from 0x3000. Registers take aligned
 * accesses of 4 and 8 bytes, the buffers any. It asks for no interrupts; an interrupt message is a write like any other.
 *
 * To send: write the fields, write CONTROL with START, wait for STATUS.BUSY to be 0. START while BUSY is ignored. A TLP for
 * which the link never has the credits keeps it BUSY until STOP.
 *
 * One may be built so that it begins by itself, as a device with firmware of its own does: it writes zeros to one place, a
 * given number of times from power-on. A function-level reset ends that.
 *
 * Not acted on: fields that a TLP of that KIND has not; what is not declared is reserved, reads 0 and ignores writes.
 */
import { bit, bits, register } from '../../bits/index.ts';

/** Not an assigned vendor id: a made-up one that no list of PCI ids names, so that no foreign driver binds. */
export const MALICIOUS_VENDOR = 0xd3a0;
export const MALICIOUS_DEVICE = 0x0666;
/** Base class 0xff: fits no defined class. */
export const MALICIOUS_CLASS = 0xff_00_00;

export const MALICIOUS_BAR = 0;
export const MALICIOUS_BAR_BYTES = 0x4000;
export const REGISTER_BYTES = 0x1000;
export const DATA_OFFSET = 0x1000;
export const RECEIVED_OFFSET = 0x2000;
export const BUFFER_BYTES = 0x1000;

const SHEET = 'malicious device data sheet';

export const ID = register('ID', 0x00, 32, SHEET, {
  MAGIC: bits(31, 8, 'RO', '0x45564C'),
  REVISION: bits(7, 0, 'RO', 'revision of this data sheet'),
});

export const MAGIC = 0x45_56_4c;
export const REVISION = 1;

/** What KIND says. The order is that of the TLPs in PCI Express: requests to memory, completions, the rest. */
export const Kind = {
  MEMORY_READ: 0,
  MEMORY_WRITE: 1,
  FETCH_ADD: 2,
  SWAP: 3,
  COMPARE_AND_SWAP: 4,
  DEFERRABLE_WRITE: 5,
  COMPLETION: 6,
  COMPLETION_DATA: 7,
  CONFIG_READ_0: 8,
  CONFIG_WRITE_0: 9,
  CONFIG_READ_1: 10,
  CONFIG_WRITE_1: 11,
  MESSAGE: 12,
  MESSAGE_DATA: 13,
} as const;

export const HEADER = register('HEADER', 0x08, 32, SHEET, {
  KIND: bits(3, 0, 'RW', 'what to send; 14 and 15 send nothing', Kind),
  ADDRESS_TYPE: bits(5, 4, 'RW', 'AT field', { UNTRANSLATED: 0, TRANSLATION: 1, TRANSLATED: 2 }),
  ATTRIBUTES: bits(8, 6, 'RW', 'no snoop, relaxed ordering, ordering by id'),
  TRAFFIC_CLASS: bits(11, 9, 'RW', 'traffic class'),
  STATUS: bits(14, 12, 'RW', 'status of a completion'),
  ROUTING: bits(17, 15, 'RW', 'routing of a message'),
  FORGED: bit(18, 'RW', 'the requester id is that of IDENTITY, 0: its own'),
});

export const IDENTITY = register('IDENTITY', 0x0c, 32, SHEET, {
  REQUESTER: bits(15, 0, 'RW', 'requester id; in a completion, whom it answers; used when FORGED is set'),
  TAG: bits(25, 16, 'RW', 'tag, also of a completion, and ITag'),
});

export const ADDRESS = register('ADDRESS', 0x10, 64, SHEET, {
  ADDRESS: bits(63, 0, 'RW', 'address; of a message the third word of its header (63:32) and the fourth (31:0)'),
});

export const LENGTH = register('LENGTH', 0x18, 32, SHEET, {
  LENGTH: bits(12, 0, 'RW', 'bytes that are asked for or carried, 0 to 4096; more counts as 4096'),
  BYTE_COUNT: bits(28, 16, 'RW', 'Byte Count of a completion'),
});

export const PASID = register('PASID', 0x1c, 32, SHEET, {
  PASID: bits(19, 0, 'RW', 'process address space id'),
  EXECUTE: bit(29, 'RW', 'Execute Requested'),
  PRIVILEGED: bit(30, 'RW', 'Privileged Mode Requested'),
  VALID: bit(31, 'RW', 'the TLP has a PASID prefix'),
});

export const TARGET = register('TARGET', 0x20, 32, SHEET, {
  COMPLETER: bits(15, 0, 'RW', 'completer id, target of a configuration request or of a message by id'),
  MESSAGE_CODE: bits(23, 16, 'RW', 'message code'),
});

export const FLOOD = register('FLOOD', 0x24, 32, SHEET, {
  COUNT: bits(15, 0, 'RW', 'how many TLPs beyond the first'),
  STEP: bits(31, 16, 'RW', 'how far the address of each lies behind that of the last, in bytes; their tags count up'),
});

export const CONTROL = register('CONTROL', 0x28, 32, SHEET, {
  START: bit(0, 'WO', 'sends'),
  STOP: bit(1, 'WO', 'sends no more'),
  SILENT: bit(2, 'RW', 'never answers an Invalidate Request; 0: answers at once, whatever is under way'),
});

export const STATUS = register('STATUS', 0x2c, 32, SHEET, {
  BUSY: bit(0, 'RO', 'TLPs are still to be sent'),
  LAST_STATUS: bits(6, 4, 'RO', 'status of the last completion that came'),
  LAST_TAG: bits(17, 8, 'RO', 'its tag'),
});

export const SENT = register('SENT', 0x30, 32, SHEET, { TLPS: bits(31, 0, 'RO', 'TLPs that were sent') });
export const COMPLETIONS = register('COMPLETIONS', 0x34, 32, SHEET, {
  TLPS: bits(31, 0, 'RO', 'completions that came'),
});
export const INVALIDATIONS = register('INVALIDATIONS', 0x38, 32, SHEET, {
  TLPS: bits(31, 0, 'RO', 'Invalidate Requests that came'),
});
export const RESPONSES = register('RESPONSES', 0x3c, 32, SHEET, {
  TLPS: bits(31, 0, 'RO', 'responses to page request groups that came'),
});

export const MALICIOUS_REGISTERS = [
  ID,
  HEADER,
  IDENTITY,
  ADDRESS,
  LENGTH,
  PASID,
  TARGET,
  FLOOD,
  CONTROL,
  STATUS,
  SENT,
  COMPLETIONS,
  INVALIDATIONS,
  RESPONSES,
] as const;
