/** Invalidations of device-TLBs and page requests as messages between a timed IOMMU and devices (pcie.md 3.4 to 3.8). */
import { describe, expect, it } from 'vitest';
import { MEMORY_CONTROLLER, MemoryController } from '../../hardware/memory/index.ts';
import { MessageRouting, RootComplex, Tlp, TlpKind } from '../../hardware/pcie/index.ts';
import { type IommuSubject, REQUESTER } from '../contracts/iommu-bench.ts';
import { AGENT, AgentBench, type AgentOptions } from './agent-bench.ts';
import { AMD } from './contract/amd.ts';
import { VTD } from './contract/vtd.ts';

const OTHER_DEVICE = 0x0100;
const GROUP = 0x155;
const PASID = 5;
const INVALIDATE_REQUEST = 0x01;
const PAGE_REQUEST = 0x04;
const PRG_RESPONSE = 0x05;

const subject = (wanted: string): IommuSubject => [...VTD, ...AMD].find(({ name }) => name === wanted)!;
const VTD_UNIT = subject('VT-d, scalable, first stage');
const AMD_UNIT = subject('AMD-Vi, v2');
const UNITS = [VTD_UNIT, AMD_UNIT];

/** VT-d: FSTS and its bits, and PRS. */
const FSTS = 0x34;
const ICE = 0x20n;
const ITE = 0x40n;
const PRS = 0xdc;
/** AMD-Vi: Control, its InvTimeOut of 1 ms, Status with PprOverflow, PprInt and PprLogRun; the event log. */
const CONTROL = 0x18;
const IN_1_MS = 1n << 5n;
const STATUS = 0x2020;
const EVENTS = 0x8000;
const EVENT_TAIL = 0x2018;

/** What a message says, with its data as a number whose first byte on the wire is the highest. */
function told(tlp: Tlp) {
  const { kind, messageCode, routing, requester, completer, tag, pasid, addressHi, addressLo, data, length } = tlp;
  const bytes = data === null ? [] : [...data.subarray(0, length)];
  const payload = bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  return { kind, messageCode, routing, requester, completer, tag, pasid, words: [addressHi, addressLo], payload };
}

const invalidation = (tag: number, pasid: number, payload: bigint) => ({
  kind: TlpKind.MESSAGE_DATA,
  messageCode: INVALIDATE_REQUEST,
  routing: MessageRouting.ID,
  requester: AGENT,
  completer: REQUESTER,
  tag,
  pasid,
  words: [REQUESTER << 16, 0],
  payload,
});

describe.each(UNITS)('An invalidation of a device-TLB by $name', (unit) => {
  const start = (options?: AgentOptions) => {
    const bench = new AgentBench(unit, options);
    const { wait, invalidatePage } = bench.software;
    return { bench, wait, invalidatePage, invalidateAll: bench.software.invalidateAll };
  };

  it('is a message with an ITag, and software is told of it when the device has answered.', () => {
    const { bench, invalidatePage, wait } = start();
    bench.submit(invalidatePage, wait).pass(2000);
    expect(bench.sent.map(told)).toEqual([invalidation(0, 0x1_2345, 0x7000n)]);
    expect(bench.isDone).toBe(false);
    expect(bench.complete(0b1)).toBe(true);
    expect(bench.isDone).toBe(true);
  });

  it('of everything has S and all address bits but the highest, and no PASID.', () => {
    const { bench, invalidateAll } = start();
    bench.submit(invalidateAll).pass(2000);
    expect(bench.sent.map(told)).toEqual([invalidation(0, -1, 0x7fff_ffff_ffff_f800n)]);
  });

  it('has an ITag of its own while others are under way, and a completion may name several.', () => {
    const { bench, invalidatePage, invalidateAll, wait } = start();
    bench.submit(invalidatePage, invalidateAll, invalidatePage, wait).pass(5000);
    expect(bench.sent.map(({ tag }) => tag)).toEqual([0, 1, 2]);
    bench.complete(0b101);
    expect(bench.isDone).toBe(false);
    bench.complete(0b010);
    expect(bench.isDone).toBe(true);
  });

  it.each([
    { count: 2, messages: 2 },
    { count: 7, messages: 7 },
    { count: 0, messages: 8 },
  ])('with a completion count of $count is complete after $messages messages.', ({ count, messages }) => {
    const { bench, invalidatePage, wait } = start();
    bench.submit(invalidatePage, wait).pass(2000);
    for (let n = 1; n < messages; n++) bench.complete(0b1, { count });
    expect(bench.isDone).toBe(false);
    bench.complete(0b1, { count });
    expect(bench.isDone).toBe(true);
  });

  it('is not completed by another device, for another ITag, or in a message for another agent.', () => {
    const { bench, invalidatePage, wait } = start();
    bench.submit(invalidatePage, wait).pass(2000);
    expect(bench.complete(0b1, { agent: AGENT + 1 })).toBe(false);
    bench.complete(0xffff_ffff, { device: OTHER_DEVICE });
    bench.complete(0xffff_fffe);
    expect(bench.isDone).toBe(false);
    bench.complete(0b1);
    expect(bench.isDone).toBe(true);
  });

  it('is completed whatever the reserved bits of the completion are.', () => {
    const { bench, invalidatePage, wait } = start();
    bench.submit(invalidatePage, wait).pass(2000);
    bench.complete(0b1, { count: 0xfff9 });
    expect(bench.isDone).toBe(true);
  });

  it('waits for an ITag while 32 are under way, and goes on as they come back.', () => {
    const { bench, invalidatePage, wait } = start({ invalidationTimeout: 1e9 });
    bench.submit(...new Array(40).fill(invalidatePage), wait).pass(50_000);
    expect(bench.sent).toHaveLength(32);
    bench.complete(0xffff_ffff);
    bench.pass(50_000);
    expect(bench.sent).toHaveLength(40);
    bench.complete(0xff);
    expect(bench.isDone).toBe(true);
  });
});

describe('A device that does not complete an invalidation', () => {
  it('sets ITE of a VT-d unit when its time is up, and the wait descriptor is aborted.', () => {
    const bench = new AgentBench(VTD_UNIT, { invalidationTimeout: 10_000 });
    bench.submit(bench.software.invalidatePage, bench.software.wait).pass(9000);
    expect(bench.unit.read(FSTS, 4)).toBe(0n);
    bench.pass(3000);
    expect([bench.unit.read(FSTS, 4), bench.isDone]).toEqual([ITE, false]);
    // Software clears it and goes on; an answer that comes too late is unexpected.
    bench.complete(0b1);
    expect(bench.unit.read(FSTS, 4)).toBe(ITE | ICE);
    bench.unit.write(FSTS, 4, ITE | ICE);
    bench.submit(bench.software.wait).pass(2000);
    expect([bench.unit.read(FSTS, 4), bench.isDone]).toEqual([0n, true]);
  });

  it('is in the event log of an AMD-Vi unit after Control.InvTimeOut, and the wait ends.', () => {
    const bench = new AgentBench(AMD_UNIT);
    bench.unit.write(CONTROL, 8, bench.unit.read(CONTROL, 8) | IN_1_MS);
    bench.submit(bench.software.invalidatePage, bench.software.wait).pass(999_000);
    expect([bench.unit.read(EVENT_TAIL, 8), bench.isDone]).toEqual([0n, false]);
    bench.pass(3000);
    expect([bench.unit.read(EVENT_TAIL, 8), bench.isDone]).toEqual([0x10n, true]);
    expect(bench.memory.read64(EVENTS)! >> 60n).toBe(7n);
  });

  it('may be one that is not there: behind a root complex its time is up too.', () => {
    const bench = new AgentBench(VTD_UNIT, { invalidationTimeout: 10_000 });
    const controller = new MemoryController(bench.engine, bench.memory, MEMORY_CONTROLLER);
    new RootComplex(bench.engine, controller).attach(bench.agent);
    bench.submit(bench.software.invalidatePage, bench.software.wait);
    bench.engine.run();
    expect([bench.unit.read(FSTS, 4), bench.isDone]).toEqual([ITE, false]);
  });

  it('sets ICE of a VT-d unit when it completes what nobody has asked for.', () => {
    const bench = new AgentBench(VTD_UNIT);
    bench.complete(0b1);
    expect(bench.unit.read(FSTS, 4)).toBe(ICE);
  });
});

const pageRequest = ({ device = REQUESTER, address = 0x7000, flags = 0b101, pasid = PASID } = {}): Tlp => {
  const tlp = new Tlp().message(device, PAGE_REQUEST, [0x12, address | (GROUP << 3) | flags]);
  return pasid < 0 ? tlp : tlp.withPasid(pasid, false, false);
};

const response = (code: number, pasid: number) => ({
  kind: TlpKind.MESSAGE,
  messageCode: PRG_RESPONSE,
  routing: MessageRouting.ID,
  requester: AGENT,
  completer: REQUESTER,
  tag: 0,
  pasid,
  words: [(REQUESTER << 16) | (code << 12) | GROUP, 0],
  payload: 0n,
});

describe.each([
  {
    name: 'a VT-d unit',
    unit: VTD_UNIT,
    // page_req_dsc: type, PP, RID, PASID; RDR or WRR, LPIG, PRGI, ADDR (vtd.md 6.1).
    read: [0x0000_0005_0018_0101n, 0x12_0000_7aadn],
    write: [0x0000_0005_0018_0101n, 0x12_0000_7aaan],
    executed: [0x0030_0005_0018_0101n, 0x12_0000_7aadn],
    marker: [0x0000_0005_0018_0101n, 0x12_0000_7aacn],
  },
  {
    name: 'an AMD-Vi unit',
    unit: AMD_UNIT,
    // PPR log entry: device, PASID, tag with Last, flags EXEC, READ, WRITE, US, GN, code 1; the page (amd-vi.md 6.1).
    read: [0x1144_0355_0005_0018n, 0x12_0000_7000n],
    write: [0x1160_0155_0005_0018n, 0x12_0000_7000n],
    executed: [0x1106_0355_0005_0018n, 0x12_0000_7000n],
    marker: [0x1140_0355_0005_0018n, 0x12_0000_7000n],
  },
])('A page request to $name', ({ unit, read, write, executed, marker }) => {
  const send = (tlp: Tlp) => {
    const bench = new AgentBench(unit);
    const taken = bench.agent.message(tlp);
    bench.engine.run();
    return { taken, requests: bench.requests, sent: bench.sent };
  };

  it('stands in the ring: who asks, for which page and access, in which group; software answers it.', () => {
    expect(send(pageRequest())).toEqual({ taken: true, requests: [read], sent: [] });
    expect(send(pageRequest({ flags: 0b010 })).requests).toEqual([write]);
    expect(send(pageRequest().withPasid(PASID, true, true)).requests).toEqual([executed]);
  });

  it('that is a stop marker stands there too, and has no answer.', () => {
    expect(send(pageRequest({ flags: 0b100 }))).toEqual({ taken: true, requests: [marker], sent: [] });
  });

  it('is the same whatever its reserved tag says.', () => {
    const tlp = pageRequest();
    tlp.tag = 0xff;
    expect(send(tlp).requests).toEqual([read]);
  });

  it('with data, by another route or under another code is none.', () => {
    const routed = pageRequest();
    routed.routing = MessageRouting.LOCAL;
    const coded = pageRequest();
    coded.messageCode = 0x30;
    for (const tlp of [routed, coded, pageRequest().withMessageData(8), new Tlp().memoryWrite(REQUESTER, 0, 0, 4)]) {
      expect(send(tlp)).toEqual({ taken: false, requests: [], sent: [] });
    }
  });

  it('of a device that may not ask is answered by the unit: invalid request.', () => {
    const { requests, sent } = send(pageRequest({ device: REQUESTER + 1, pasid: -1 }));
    expect(requests).toEqual([]);
    expect(sent.map(told)).toEqual([{ ...response(1, -1), completer: 0x19, words: [0x0019_1155, 0] }]);
  });

  it('is answered with what software says, with its PASID and without.', () => {
    const bench = new AgentBench(unit);
    bench.submit(bench.software.respond, bench.software.fail).pass(5000);
    expect(bench.sent.map(told)).toEqual([response(1, 0x1_2345), response(15, -1)]);
  });
});

describe.each(UNITS)('A device that floods $name with page requests', (unit) => {
  const MANY = 100_000;

  it('fills the ring and no more: the unit keeps few of them, and says that some are lost.', () => {
    const bench = new AgentBench(unit);
    const { room, requestTail, requestBytes } = bench.software;
    for (let n = 0; n < MANY; n++) bench.agent.message(pageRequest());
    // All have come at once: what is not answered waits, twice the ring.
    expect(bench.engine.pending).toBeLessThan(100);
    const answeredAtOnce = bench.sent.length;
    bench.engine.run();
    expect(Number(bench.unit.read(requestTail, 8)) / requestBytes).toBe(room);
    const isVtd = unit === VTD_UNIT;
    // VT-d tells the device to try again; AMD-Vi without PprAutoRspEn loses them.
    expect(bench.sent).toHaveLength(isVtd ? MANY - room : 0);
    if (isVtd) expect(bench.sent.length - answeredAtOnce).toBeLessThanOrEqual(2 * (room + 1));
    const status = isVtd ? bench.unit.read(PRS, 4) : bench.unit.read(STATUS, 8) & 0xe0n;
    expect(status).toBe(isVtd ? 3n : 0x60n);
  });

  it('does not keep software waiting, nor the requests that come when it has made room.', () => {
    const bench = new AgentBench(unit);
    const { requestTail } = bench.software;
    for (let n = 0; n < 2000; n++) bench.agent.message(pageRequest());
    bench.engine.run();
    const isVtd = unit === VTD_UNIT;
    bench.unit.write(isVtd ? 0xc0 : 0x2030, 8, bench.unit.read(requestTail, 8));
    if (isVtd) bench.unit.write(PRS, 4, 3n);
    else {
      const control = bench.unit.read(CONTROL, 8);
      bench.unit.write(STATUS, 8, 0x60n);
      // PPRLogEn off and on again.
      bench.unit.write(CONTROL, 8, control & ~0x2000n);
      bench.unit.write(CONTROL, 8, control);
    }
    const before = bench.unit.read(requestTail, 8);
    bench.agent.message(pageRequest());
    bench.engine.run();
    expect(bench.unit.read(requestTail, 8)).not.toBe(before);
  });
});
