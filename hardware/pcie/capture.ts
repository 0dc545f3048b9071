/**
 * What crosses links, as a pcapng file: one section for each machine or run, one interface for each of its links, one
 * packet for each TLP. Wireshark reads it with docs/ioasim-tlp.lua.
 *
 * Needs: somewhere to write bytes. Keeps nothing: each block is given away as soon as it is made.
 */
import { encode } from '../bits/index.ts';
import type { Instant } from '../sim/index.ts';
import { encodeTlp } from './codec.ts';
import type { Direction } from './link.ts';
import {
  BlockType,
  BYTE_ORDER_MAGIC,
  CAPTURE_HEADER,
  CAPTURE_VERSION,
  CaptureDirection,
  EPB_FLAGS,
  LINK_TYPE,
  OptionCode,
  PICOSECONDS_PER_TIMESTAMP,
  TIMESTAMP_RESOLUTION,
} from './spec/index.ts';
import type { Tlp } from './tlp.ts';

/** A link and what its ends are connected to. */
export interface CapturedLink {
  readonly link: { readonly name: string; readonly spec: { readonly generation: number; readonly width: number } };
  readonly above: string;
  readonly below: string;
}

/** A TLP at the instant at which it was sent; `link` counts from 0. */
export interface CapturedPacket {
  readonly at: Instant;
  readonly link: number;
  readonly direction: Direction;
  readonly tlp: Tlp;
}

interface Option {
  readonly code: number;
  readonly value: Uint8Array;
}

const QUESTION_MARK = 0x3f;
const HEADER_BYTES = CAPTURE_HEADER.$.bits / 8;

export class PcapngWriter {
  readonly #write: (bytes: Uint8Array) => void;
  #links: readonly CapturedLink[] = [];

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Begins with other links, or with time at its start again. */
  section(title: string, links: readonly CapturedLink[]): void {
    this.#links = links;
    const application = text(OptionCode.SHB_USER_APPLICATION, 'ioasim');
    // Version 1.0 of the format; the length of the section is not known before its end.
    const head = [...word(BYTE_ORDER_MAGIC), ...half(1), ...half(0), ...word(-1), ...word(-1)];
    this.#block(BlockType.SECTION_HEADER, head, [text(OptionCode.COMMENT, title), application]);
    for (const { link, above, below } of links) {
      const { name, spec } = link;
      const resolution = { code: OptionCode.IF_TIMESTAMP_RESOLUTION, value: Uint8Array.of(TIMESTAMP_RESOLUTION) };
      const description = text(
        OptionCode.IF_DESCRIPTION,
        `${above} to ${below}, generation ${spec.generation}, x${spec.width}`,
      );
      // A snapshot length of 0 is none.
      const body = [...half(LINK_TYPE), ...half(0), ...word(0)];
      this.#block(BlockType.INTERFACE_DESCRIPTION, body, [text(OptionCode.IF_NAME, name), description, resolution]);
    }
  }

  packet({ at, link, direction, tlp }: CapturedPacket): void {
    const { generation, width } = this.#links[link]!.link.spec;
    const header = encode(CAPTURE_HEADER, {
      VERSION: CAPTURE_VERSION,
      LENGTH: HEADER_BYTES,
      UPSTREAM: direction === 'upstream' ? 1 : 0,
      GENERATION: generation,
      WIDTH: width,
      LINK: link,
      TIME_HIGH: Math.floor(at / 2 ** 32),
      TIME_LOW: at % 2 ** 32,
    });
    const bytes = encodeTlp(tlp);
    const length = HEADER_BYTES + bytes.length;
    const data = new Uint8Array(length);
    const view = new DataView(data.buffer);
    header.forEach((one, i) => {
      view.setUint32(i * 4, one);
    });
    data.set(bytes, HEADER_BYTES);
    const { INBOUND, OUTBOUND } = CaptureDirection;
    const flags = encode(EPB_FLAGS, { DIRECTION: direction === 'upstream' ? INBOUND : OUTBOUND })[0]!;
    const stamp = Math.floor(at / PICOSECONDS_PER_TIMESTAMP);
    const time = [...word(Math.floor(stamp / 2 ** 32)), ...word(stamp % 2 ** 32)];
    // As much is captured as there was.
    const head = [...word(link), ...time, ...word(length), ...word(length)];
    this.#block(
      BlockType.ENHANCED_PACKET,
      [...head, ...padded(data)],
      [{ code: OptionCode.EPB_FLAGS, value: Uint8Array.from(word(flags)) }],
    );
  }

  /** Type and length, what the block says, its options, and the length again. */
  #block(type: number, body: readonly number[], options: readonly Option[]): void {
    const written = options.flatMap(({ code, value }) => [...half(code), ...half(value.length), ...padded(value)]);
    const end = [...half(OptionCode.END_OF_OPTIONS), ...half(0)];
    const length = word(12 + body.length + written.length + end.length);
    this.#write(Uint8Array.from([...word(type), ...length, ...body, ...written, ...end, ...length]));
  }
}

function half(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

function word(value: number): number[] {
  return [...half(value), ...half(value >>> 16)];
}

/** Up to a whole number of words. */
function padded(bytes: Uint8Array): number[] {
  return [...bytes, ...new Uint8Array(-bytes.length & 3)];
}

/** An option that is a text: in ASCII, with a question mark for what is none, and at most 255 characters long. */
function text(code: number, value: string): Option {
  const codes = Array.from(value.slice(0, 255), (character) => character.codePointAt(0)!);
  return { code, value: Uint8Array.from(codes, (one) => (one >= 0x20 && one < 0x7f ? one : QUESTION_MARK)) };
}
