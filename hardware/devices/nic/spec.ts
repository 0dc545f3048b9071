/**
 * The data sheet of the network interface, a model of no particular chip: queues of receive and transmit descriptors in
 * memory, of which each has a doorbell, a head that is written back, and a vector whose interrupts are moderated.
 *
 * Base address 0 is 64 bits wide and 64 KiB large. Registers take aligned accesses of 4 and 8 bytes: global ones from 0x0000,
 * receive queue n from 0x1000 + n · 0x40, transmit queue n from 0x2000 + n · 0x40, MSI-X table from 0x8000, pending bits
 * from 0xC000.
 *
 * A ring is 2^SIZE descriptors of 16 bytes at BASE. Those from HEAD up to TAIL, around the end, are the device's; software
 * gives it more by writing TAIL, and leaves one unused so that a full ring is not an empty one. The device reads descriptors
 * ahead, and writes each back when it is done with it, in their order, before it moves HEAD. Where HEAD_WRITEBACK is enabled it
 * also writes HEAD to memory, after the descriptors.
 *
 * Receiving: a frame goes to the receive queue whose number is the last byte of its destination address modulo the number of
 * queues that are enabled, counted from queue 0. It fills as many buffers as it needs; the last one has END. A frame is dropped where
 * no descriptor is left, and when one runs out in the middle, the buffer filled last has END and ERROR.
 * Transmitting: the descriptors up to the first with END make one frame. One that cannot be read, has no bytes or has more than
 * MTU allows is not sent, and its descriptors have ERROR.
 * A queue whose descriptors cannot be read stops: ENABLE is cleared, FAULT is set, and it interrupts.
 *
 * To use a queue: write BASE, SIZE, HEAD_WRITEBACK, MODERATION and VECTOR, then CONTROL with ENABLE, then TAIL. HEAD and TAIL
 * are 0 from then on. Changes of the others while ENABLE is set are ignored.
 *
 * Not acted on: checksums and segmentation do not exist; COOKIE is software's.
 */
import { bit, bits, layout, register } from '../../bits/index.ts';

/** Of the same made-up vendor as the DMA engine. */
export const NIC_VENDOR = 0xd3a0;
export const NIC_DEVICE = 0x0002;
export const NIC_REVISION = 1;
/** Base class 0x02 (network controller), subclass 0x00 (Ethernet). */
export const NIC_CLASS = 0x02_00_00;

export const NIC_BAR = 0;
export const NIC_BAR_BYTES = 0x1_0000;
export const REGISTER_BYTES = 0x3000;
export const RX_QUEUES_AT = 0x1000;
export const TX_QUEUES_AT = 0x2000;
export const QUEUE_BYTES = 0x40;
export const MOST_QUEUES = 64;
export const MSIX_TABLE_AT = 0x8000;
export const MSIX_PENDING_AT = 0xc000;

/** Bytes of a frame beside its payload, without check sequence. */
export const HEADER_BYTES = 14;
/** Where in a frame the byte stands that chooses the receive queue. */
export const STEERING_BYTE = 5;
/** Bytes of a frame on the wire that are not in memory: preamble, check sequence, gap. */
export const WIRE_OVERHEAD = 24;
export const MTU_DEFAULT = 1500;
export const MTU_MOST = 9000;

const SHEET = 'NIC data sheet';

export const MAGIC = 0x4e_49_43;

export const ID = register('ID', 0x00, 32, SHEET, {
  MAGIC: bits(31, 8, 'RO', '0x4E4943'),
  REVISION: bits(7, 0, 'RO', 'revision of this data sheet'),
});

export const CAPABILITIES = register('CAPABILITIES', 0x04, 32, SHEET, {
  RX_QUEUES: bits(7, 0, 'RO', 'receive queues'),
  TX_QUEUES: bits(15, 8, 'RO', 'transmit queues'),
});

export const CONTROL = register('CONTROL', 0x08, 32, SHEET, {
  RESET: bit(0, 'WO', 'all registers have their reset values, nothing that was begun goes on'),
});

export const MTU = register('MTU', 0x0c, 32, SHEET, {
  MTU: bits(13, 0, 'RW', 'largest payload of a frame, up to 9000; its header comes on top'),
});

export const RX_PACKETS = counter('RX_PACKETS', 0x40, 'frames written to memory');
export const RX_BYTES = counter('RX_BYTES', 0x48, 'their bytes');
export const RX_DROPPED = counter(
  'RX_DROPPED',
  0x50,
  'frames for which there were not enough descriptors, or no queue',
);
export const RX_OVERRUN = counter('RX_OVERRUN', 0x58, 'frames for which there was no room on the device');
export const RX_TOO_LONG = counter('RX_TOO_LONG', 0x60, 'frames above MTU');
export const TX_PACKETS = counter('TX_PACKETS', 0x68, 'frames sent');
export const TX_BYTES = counter('TX_BYTES', 0x70, 'their bytes');
export const TX_ERRORS = counter('TX_ERRORS', 0x78, 'frames not sent');

function counter(name: string, offset: number, doc: string) {
  return register(name, offset, 64, SHEET, { COUNT: bits(52, 0, 'RO', doc) });
}

/** Queue sizes that software may choose, as log2. */
export const SIZE_LEAST = 3;
export const SIZE_MOST = 12;

export const QUEUE = layout('Queue', QUEUE_BYTES * 8, SHEET, {
  BASE: bits(63, 6, 'RW', 'address bits 63:6 of the ring'),
  SIZE: bits(67, 64, 'RW', 'log2 of its descriptors: 3 to 12; what is beyond counts as the nearest'),
  ENABLE: bit(96, 'RW', 'the queue works'),
  INTERRUPT_ENABLE: bit(97, 'RW', 'it interrupts; what there is to tell waits until this is set'),
  TAIL: bits(
    139,
    128,
    'RW',
    'doorbell: the first descriptor that is not the device’s; bits beyond the ring are dropped',
  ),
  HEAD: bits(171, 160, 'RO', 'the first descriptor that the device is not done with'),
  HEAD_WRITEBACK_ENABLE: bit(192, 'RW', 'HEAD is written to memory'),
  HEAD_WRITEBACK: bits(255, 194, 'RW', 'address bits 63:2 of the word'),
  MODERATION_TIME: bits(
    275,
    256,
    'RW',
    'nanoseconds from the first descriptor done to the interrupt; 0: no such limit',
  ),
  MODERATION_COUNT: bits(
    287,
    276,
    'RW',
    'descriptors done after which it comes anyhow; 0: no such limit, at once without a time',
  ),
  VECTOR: bits(298, 288, 'RW', 'MSI-X vector'),
  PASID: bits(339, 320, 'RW', 'process address space id of all its requests'),
  PASID_ENABLE: bit(351, 'RW', 'they carry it'),
  FAULT: bit(352, 'RW1C', 'descriptors could not be read'),
});

/** Offsets in a queue's registers at which software's writes act. */
export const QUEUE_CONTROL = 0x0c;
export const QUEUE_TAIL = 0x10;

export const DESCRIPTOR_BYTES = 16;

export const DESCRIPTOR = layout('Descriptor', DESCRIPTOR_BYTES * 8, SHEET, {
  ADDRESS: bits(63, 0, 'RW', 'where the buffer is'),
  LENGTH: bits(79, 64, 'RW', 'its bytes; written back: those that were received in it, or sent from it'),
  END: bit(80, 'RW', 'transmit: the last of its frame; receive, written back: likewise'),
  DONE: bit(88, 'RW', 'written back: the device is done with it'),
  ERROR: bit(89, 'RW', 'written back: the frame is not whole, or not sent'),
  COOKIE: bits(127, 96, 'RW', 'written back as it was'),
});

export const NIC_REGISTERS = [
  ID,
  CAPABILITIES,
  CONTROL,
  MTU,
  RX_PACKETS,
  RX_BYTES,
  RX_DROPPED,
  RX_OVERRUN,
  RX_TOO_LONG,
  TX_PACKETS,
  TX_BYTES,
  TX_ERRORS,
] as const;
