/** What a machine that receives is known by; units as in the tables of machines. */
export interface ReceiveValues {
  readonly network: number;
  readonly sharedSenders: number;
  readonly cores: number;
  readonly channels: number;
  readonly control: number;
  readonly socket: number;
  readonly nicBuffer: number;
  readonly roundTrip: number;
  readonly lostPerEvent: number;
  readonly duplicates: number;
  readonly waitingTlps: number;
  readonly visible: number;
  readonly lookup: number;
  readonly read: number;
  readonly iotlb: number;
  readonly structures: number;
  readonly moderation: number;
  readonly budget: number;
  readonly aggregate: number;
  readonly packet: number;
  readonly copy: number;
  readonly turn: number;
  readonly map: number;
  readonly invalidate: number;
  readonly dram: number;
}

/**
 * How the device is kept from what it should not reach:
 * - `off`: there is no IOMMU; `pass-through`: it lets the device pass;
 * - `strict`: what is given back is unmapped page by page, each until the IOMMU has forgotten it;
 * - `lazy`: many unmapped pages are forgotten at once, later;
 * - `persistent`: pages stay mapped and are used again; `huge`: so do pages of 2 MiB;
 * - `fands`: as strict, but all pages of a descriptor are next to each other, forgotten at once, and structures of tables stay cached.
 */
export const PROTECTIONS = ['off', 'pass-through', 'strict', 'lazy', 'persistent', 'huge', 'fands'] as const;
export type Protection = (typeof PROTECTIONS)[number];

export interface ReceiveSetUp {
  readonly protection: Protection;
  readonly flows: number;
  /** Packets that a ring has room for, as it is configured. */
  readonly ring: number;
  /** Bytes of an IP packet. */
  readonly mtu: number;
  readonly seed: number;
}

/** Of 1500 to 9000 bytes is what is common; headers of IPv4 and of TCP with time stamps, of Ethernet, and what is on the wire besides. */
const [TCP_HEADERS, ETHERNET, ON_THE_WIRE] = [52, 14, 24];
/** A strided receive queue: descriptors of 256 KiB. */
export const DESCRIPTOR_PAGES = 64;
const DESCRIPTOR_BYTES = DESCRIPTOR_PAGES * 4096;
/** Room that the stack wants in front of and behind a packet that is to stay where it is. */
const AROUND = 64 + 320;
/** A packet that has to be copied out of its descriptor anyway takes multiples of this. */
const SMALL_STRIDE = 256;
const FEWEST_DESCRIPTORS = 4;
const MOST_TOGETHER = 2;

/** What follows from the size of packets. Strides and rings are those of a strided receive queue of mlx5. */
export class PacketGeometry {
  /** Bytes of TCP's data, in memory, and on the wire. */
  readonly payload: number;
  readonly frame: number;
  readonly wire: number;
  /** Bytes from one packet in a descriptor to the next. */
  readonly stride: number;
  readonly descriptors: number;
  /** Descriptors that are posted at a time. */
  readonly postedTogether: number;

  constructor({ mtu, ring }: Pick<ReceiveSetUp, 'mtu' | 'ring'>) {
    this.payload = mtu - TCP_HEADERS;
    this.frame = mtu + ETHERNET;
    this.wire = mtu + ETHERNET + ON_THE_WIRE;
    const whole = powerOfTwoFrom(this.frame + AROUND);
    this.stride = whole <= 4096 ? whole : Math.ceil(this.frame / SMALL_STRIDE) * SMALL_STRIDE;
    // Descriptors are counted as though each packet took a power of two.
    this.descriptors = Math.max(Math.floor((ring * whole) / DESCRIPTOR_BYTES), FEWEST_DESCRIPTORS);
    this.postedTogether = Math.min(MOST_TOGETHER, this.descriptors / 2 - 1);
  }

  /** Where the packet of a descriptor begins, or -1 when it has room for no more. */
  place(packet: number): number {
    return (packet + 1) * this.stride > DESCRIPTOR_BYTES ? -1 : packet * this.stride;
  }
}

function powerOfTwoFrom(n: number): number {
  return 2 ** (32 - Math.clz32(n - 1));
}
