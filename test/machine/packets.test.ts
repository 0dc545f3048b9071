import { describe, expect, it } from 'vitest';
import { AddressType, MessageCode, MessageRouting, Tlp, TlpKind } from '../../hardware/pcie/index.ts';
import { packetText } from '../../src/machine/packets.ts';

const DEVICE = 0x0100;
const AGENT = 0x0010;

function withBytes(tlp: Tlp, ...bytes: number[]): Tlp {
  tlp.data!.set(bytes);
  return tlp;
}

function ofType(addressType: number, tlp: Tlp): Tlp {
  tlp.addressType = addressType;
  return tlp;
}

function ofKind(kind: number, tlp: Tlp): Tlp {
  tlp.kind = kind;
  return tlp;
}

function withTag(tag: number, tlp: Tlp): Tlp {
  tlp.tag = tag;
  return tlp;
}

const invalidate = () => new Tlp().messageTo(DEVICE, AGENT, MessageCode.INVALIDATE_REQUEST).withMessageData(8);

const CASES: readonly (readonly [Tlp, string])[] = [
  [new Tlp().memoryRead(DEVICE, 1, 1, 0x2000, 64), 'MRd: 64 bytes at 0x100002000'],
  [withBytes(new Tlp().memoryWrite(DEVICE, 0, 0x2000, 2), 0x34, 0x12), 'MWr: 2 bytes at 0x2000 = 0x1234'],
  [
    ofType(AddressType.TRANSLATED, new Tlp().memoryRead(DEVICE, 1, 0, 0x2000, 64)),
    'MRd: 64 bytes at 0x2000, translated',
  ],
  [
    ofType(AddressType.TRANSLATION, new Tlp().memoryRead(DEVICE, 1, 0, 0x2001, 8).withPasid(7, false, false)),
    'MRd: translation of 0x2000, no write, PASID 7',
  ],
  [ofType(AddressType.TRANSLATION, new Tlp().memoryRead(DEVICE, 1, 0, 0x2000, 32)), 'MRd: 4 translations of 0x2000'],
  [
    withBytes(new Tlp().atomic(TlpKind.FETCH_ADD, DEVICE, 1, 0, 0x1000, 4), 1, 0, 0, 0),
    'FetchAdd: 4 bytes at 0x1000 = 0x1',
  ],
  [new Tlp().atomic(TlpKind.SWAP, DEVICE, 1, 0, 0x1000, 8), 'Swap: 8 bytes at 0x1000'],
  [new Tlp().atomic(TlpKind.COMPARE_AND_SWAP, DEVICE, 1, 0, 0x1000, 16), 'CAS: 16 bytes at 0x1000'],
  [new Tlp().deferrableWrite(AGENT, 1, 0, 0x1000, 64).withPasid(9, false, false), 'DMWr: 64 bytes at 0x1000, PASID 9'],
  [ofKind(TlpKind.CONFIG_READ_1, new Tlp().configRead(0, 1, 0x0208, 0x100, 4)), 'CfgRd1: 02:01.0, 4 bytes at 0x100'],
  [
    withBytes(ofKind(TlpKind.CONFIG_WRITE_1, new Tlp().configWrite(0, 1, 0x0208, 4, 2)), 6, 0),
    'CfgWr1: 02:01.0, 2 bytes at 0x4 = 0x6',
  ],
  [new Tlp().answer(AGENT, 1, DEVICE, 2, 4), 'Cpl: request retry'],
  [
    new Tlp().message(DEVICE, MessageCode.PAGE_REQUEST, [1, 0x2345_6d2f]).withPasid(7, true, true),
    'Msg PageReq: RWX 0x123456000, group 421, last, PASID 7',
  ],
  [new Tlp().message(DEVICE, MessageCode.PAGE_REQUEST, [0, 0x1009]), 'Msg PageReq: R- 0x1000, group 1'],
  [
    new Tlp().message(DEVICE, MessageCode.PAGE_REQUEST, [0, 4]).withPasid(7, false, false),
    'Msg PageReq: stop marker, PASID 7',
  ],
  [
    new Tlp().messageTo(DEVICE, AGENT, MessageCode.PAGE_REQUEST_GROUP_RESPONSE, 0x11a5),
    'Msg PRGResp: 01:00.0, group 421: invalid request',
  ],
  [
    new Tlp().messageTo(DEVICE, AGENT, MessageCode.PAGE_REQUEST_GROUP_RESPONSE, 0x7001),
    'Msg PRGResp: 01:00.0, group 1: code 7',
  ],
  [
    withTag(3, withBytes(invalidate().withPasid(5, false, false), 0, 0, 0, 0, 0x12, 0x34, 0x50, 0x01)),
    'MsgD InvReq: 01:00.0, ITag 3, 4 KiB at 0x12345000, global, PASID 5',
  ],
  [
    withTag(0, withBytes(invalidate(), 0, 0, 0, 0, 0x00, 0x2f, 0xf8, 0x00)),
    'MsgD InvReq: 01:00.0, ITag 0, 2 MiB at 0x200000',
  ],
  [
    withTag(31, withBytes(invalidate(), 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf8, 0x00)),
    'MsgD InvReq: 01:00.0, ITag 31, everything',
  ],
  [new Tlp().messageTo(DEVICE, AGENT, MessageCode.INVALIDATE_REQUEST), 'Msg InvReq: 01:00.0, malformed'],
  [
    new Tlp().messageTo(AGENT, DEVICE, MessageCode.INVALIDATE_COMPLETION, 0, 0b1_0100),
    'Msg InvCpl: 00:02.0, ITag 2 4, one of 8',
  ],
  [new Tlp().message(DEVICE, MessageCode.ERR_NONFATAL), 'Msg ERR_NONFATAL: from 01:00.0'],
  [new Tlp().message(DEVICE, 0x55), 'Msg 0x55: from 01:00.0'],
  [
    new Tlp().messageTo(AGENT, DEVICE, MessageCode.VENDOR_DEFINED_TYPE_1),
    'Msg VENDOR_DEFINED_TYPE_1: 00:02.0, from 01:00.0',
  ],
];

describe('A TLP in words', () => {
  it.each(CASES.map(([tlp, text]) => [text, tlp] as const))('%s', (text, tlp) => {
    const { packet, detail } = packetText(tlp);
    expect(`${packet}: ${detail}`).toBe(text);
  });

  it('is said of every kind and of every message', () => {
    for (const kind of Object.values(TlpKind)) {
      for (let code = 0; code < 256; code++) {
        const tlp = ofKind(kind, new Tlp().messageTo(DEVICE, AGENT, code, 0, 0).withMessageData(8));
        tlp.routing = MessageRouting.LOCAL;
        expect(packetText(tlp).packet).not.toMatch(/undefined/);
      }
    }
  });
});
