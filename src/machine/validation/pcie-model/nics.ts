/**
 * What network cards send over their link for each packet, as pcie-model has it: one that does everything for each packet,
 * and one in the way of the Intel 82599 (Niantic), which batches, under a kernel's driver or a polling one (DPDK).
 */

import type { LinkConditions } from './conditions.ts';
import { Traffic } from './traffic.ts';

export interface Nic {
  readonly kind: 'simple' | 'niantic';
  readonly transmits: boolean;
  readonly receives: boolean;
  /** The driver polls: no interrupts, no head pointer to read, tail pointer once in 32 packets. */
  readonly polling: boolean;
  /** Packets per interrupt; 0 is none. Only of the batching card. */
  readonly interruptEach: number;
  /** Bytes of a packet as it crosses the link. */
  readonly packet: number;
  /**
   * Whether the request for each receive descriptor counts. The released model loses it: it assigns the sum of what is
   * sent where it should add to it.
   */
  readonly countsDescriptorReads: boolean;
}

export interface NicTraffic {
  readonly traffic: Traffic;
  /** Packets in each direction that it stands for. */
  readonly packets: number;
}

const DESCRIPTOR = 16;
const POINTER = 4;
const INTERRUPT = 4;

export function nicTraffic(nic: Nic, conditions: LinkConditions): NicTraffic | undefined {
  const traffic = new Traffic(conditions);
  const packets = nic.kind === 'simple' ? 1 : BATCH;
  const add = nic.kind === 'simple' ? addSimple : addNiantic;
  return add(nic, traffic) ? { traffic, packets } : undefined;
}

function addSimple({ transmits, receives, packet, countsDescriptorReads }: Nic, traffic: Traffic): boolean {
  const notify = (): void => void traffic.hostWrites(POINTER).deviceWrites(INTERRUPT).hostReads(POINTER);
  if (transmits) {
    notify();
    traffic.deviceReads(DESCRIPTOR).deviceReads(packet);
  }
  if (receives) {
    notify();
    traffic.deviceReads(DESCRIPTOR, countsDescriptorReads).deviceWrites(packet).deviceWrites(DESCRIPTOR);
  }
  return true;
}

/** Packets after which all batches come out even. */
const BATCH = 160;
/** Of the card: descriptors fetched, and written back, at a time. Of the driver: buffers made free, and head pointers read. */
const FETCH = 40;
const WRITE_BACK = 8;
const FREE = 32;
const HEAD = 8;
const POLLING_TAIL = 32;

/** False when interrupts do not come out even in a batch. */
function addNiantic(nic: Nic, traffic: Traffic): boolean {
  const { polling, packet } = nic;
  const interruptEach = polling ? 0 : nic.interruptEach;
  if (interruptEach !== 0 && BATCH % interruptEach !== 0) return false;
  for (let i = 0; i < BATCH; i++) {
    const every = (packets: number): boolean => packets !== 0 && i % packets === 0;
    if (nic.transmits) {
      if (every(polling ? POLLING_TAIL : 1)) traffic.hostWrites(POINTER);
      if (every(FETCH)) traffic.deviceReads(FETCH * DESCRIPTOR);
      traffic.deviceReads(packet);
      if (every(WRITE_BACK)) traffic.deviceWrites(WRITE_BACK * DESCRIPTOR);
      if (every(interruptEach)) traffic.deviceWrites(INTERRUPT);
      if (!polling) traffic.hostReads(POINTER);
    }
    if (nic.receives) {
      if (every(FREE)) traffic.hostWrites(POINTER);
      traffic.deviceReads(DESCRIPTOR, nic.countsDescriptorReads).deviceWrites(packet).deviceWrites(DESCRIPTOR);
      if (every(interruptEach)) traffic.deviceWrites(INTERRUPT);
      if (!polling && every(HEAD)) traffic.hostReads(POINTER);
    }
  }
  return true;
}
