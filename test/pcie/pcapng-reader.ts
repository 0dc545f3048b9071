/** A reader of pcapng of its own: little-endian files, as the IETF draft describes them. It throws for what breaks the format. */

export interface Block {
  readonly type: number;
  readonly length: number;
  readonly body: Uint8Array;
}

export interface Options {
  /** By code: a file of this project has none twice in a block. */
  readonly [code: number]: Uint8Array;
}

export interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  readonly options: Options;
}

export interface Packet {
  readonly interface: number;
  readonly stamp: bigint;
  readonly originalLength: number;
  readonly data: Uint8Array;
  readonly options: Options;
}

export interface Section {
  readonly version: readonly [number, number];
  readonly length: bigint;
  readonly options: Options;
  readonly interfaces: Interface[];
  readonly packets: Packet[];
}

export function blocksOf(file: Uint8Array): Block[] {
  const blocks: Block[] = [];
  const view = viewOf(file);
  for (let at = 0; at < file.length; ) {
    const length = view.getUint32(at + 4, true);
    if (length % 4 !== 0 || length < 12 || at + length > file.length)
      throw new Error(`block of ${length} bytes at ${at}`);
    if (view.getUint32(at + length - 4, true) !== length)
      throw new Error(`other length at the end of the block at ${at}`);
    blocks.push({ type: view.getUint32(at, true), length, body: file.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return blocks;
}

export function sectionsOf(file: Uint8Array): Section[] {
  const sections: Section[] = [];
  for (const { type, body } of blocksOf(file)) {
    const view = viewOf(body);
    if (type === 0x0a0d0d0a) {
      if (view.getUint32(0, true) !== 0x1a2b3c4d) throw new Error('not little-endian');
      const version = [view.getUint16(4, true), view.getUint16(6, true)] as const;
      const head = { version, length: view.getBigInt64(8, true), options: optionsOf(body.subarray(16)) };
      sections.push({ ...head, interfaces: [], packets: [] });
    } else if (type === 1) {
      const [linkType, reserved, snapLength] = [
        view.getUint16(0, true),
        view.getUint16(2, true),
        view.getUint32(4, true),
      ];
      if (reserved !== 0) throw new Error('reserved is not 0');
      sections.at(-1)!.interfaces.push({ linkType, snapLength, options: optionsOf(body.subarray(8)) });
    } else if (type === 6) {
      const captured = view.getUint32(12, true);
      const end = 20 + Math.ceil(captured / 4) * 4;
      if (body.subarray(20 + captured, end).some((byte) => byte !== 0)) throw new Error('padding is not 0');
      sections.at(-1)!.packets.push({
        interface: view.getUint32(0, true),
        stamp: (BigInt(view.getUint32(4, true)) << 32n) | BigInt(view.getUint32(8, true)),
        originalLength: view.getUint32(16, true),
        data: body.subarray(20, 20 + captured),
        options: optionsOf(body.subarray(end)),
      });
    } else {
      throw new Error(`block type ${type}`);
    }
  }
  return sections;
}

function optionsOf(bytes: Uint8Array): Options {
  const options: Record<number, Uint8Array> = {};
  const view = viewOf(bytes);
  let at = 0;
  for (;;) {
    const code = view.getUint16(at, true);
    const length = view.getUint16(at + 2, true);
    if (code === 0) {
      if (length !== 0 || at + 4 !== bytes.length) throw new Error('something follows the end of options');
      return options;
    }
    const end = at + 4 + Math.ceil(length / 4) * 4;
    if (bytes.subarray(at + 4 + length, end).some((byte) => byte !== 0)) throw new Error('padding is not 0');
    options[code] = bytes.subarray(at + 4, at + 4 + length);
    at = end;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
