/**
 * Captures of TLPs: a pcapng file whose packets are TLPs behind a header of this project's own, version 1. docs/capture.md
 * says the same in words, and docs/ioasim-tlp.lua reads it.
 *
 * Sections of pcapng: 3.1 general block structure, 3.5 options, 4.1 Section Header, 4.2 Interface Description, 4.3 Enhanced
 * Packet. The header is written as a TLP's is: byte 0 is bits 31:24 of word 0.
 */
import { bit, bits, layout } from '../../bits/index.ts';

export const BlockType = { SECTION_HEADER: 0x0a0d0d0a, INTERFACE_DESCRIPTION: 1, ENHANCED_PACKET: 6 } as const;

/** In the byte order of the file, which is little-endian. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

export const OptionCode = {
  END_OF_OPTIONS: 0,
  COMMENT: 1,
  SHB_USER_APPLICATION: 4,
  IF_NAME: 2,
  IF_DESCRIPTION: 3,
  IF_TIMESTAMP_RESOLUTION: 9,
  EPB_FLAGS: 2,
} as const;

/** LINKTYPE_USER0, for private use. */
export const LINK_TYPE = 147;

/**
 * Time stamps of packets count units of 10^-9 seconds: readers that know no finer ones take picoseconds wrongly. The exact
 * instant stands in the header.
 */
export const TIMESTAMP_RESOLUTION = 9;
export const PICOSECONDS_PER_TIMESTAMP = 1000;

/** As the upper end of the link sees it. */
export const CaptureDirection = { INBOUND: 1, OUTBOUND: 2 } as const;

export const EPB_FLAGS = layout('epb_flags', 32, 'pcapng 4.3: Enhanced Packet Block Flags Word', {
  DIRECTION: bits(1, 0, 'RW', 'inbound or outbound', CaptureDirection),
});

export const CAPTURE_VERSION = 1;

export const CAPTURE_HEADER = layout('Capture header', 128, 'docs/capture.md', {
  VERSION: bits(31, 24, 'RW', 'version of this header: 1'),
  LENGTH: bits(23, 16, 'RW', 'bytes of this header, after which the TLP begins'),
  UPSTREAM: bit(8, 'RW', 'the TLP goes towards the root complex'),
  GENERATION: bits(7, 0, 'RW', 'generation of the link, 1 to 6'),
  WIDTH: bits(63, 56, 'RW', 'lanes of the link'),
  LINK: bits(47, 32, 'RW', 'number of the link in this section, as the interface id'),
  TIME_HIGH: bits(95, 64, 'RW', 'instant at which the TLP was sent, in picoseconds, bits 63:32'),
  TIME_LOW: bits(127, 96, 'RW', 'bits 31:0'),
});
