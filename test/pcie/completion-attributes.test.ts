/** What the attributes of completions are, and who may set ID-based ordering (PCIe 2.2.6.4, 2.2.9, 7.5.3.16, 10.2.3). */
import { describe, expect, it } from 'vitest';
import {
  AddressType,
  Attribute,
  CompletionStatus,
  ConfigSpace,
  PortType,
  type Tlp,
  TlpKind,
} from '../../hardware/pcie/index.ts';
import { Board, PCIE_AT, RID } from './board.ts';
import { EVERYTHING, PLAIN } from './config-functions.ts';
import { BAR_AT, DEVICE, RequesterBench } from './requester-bench.ts';
import { barOf, portOf, ROOT_PORT, ridOf, Tree, UPSTREAM } from './tree.ts';

const { NO_SNOOP, RELAXED_ORDERING, ID_ORDERING } = Attribute;
const ALL = NO_SNOOP | RELAXED_ORDERING | ID_ORDERING;
const { SUCCESSFUL, UNSUPPORTED_REQUEST } = CompletionStatus;

const DEVICE_CONTROL_2 = 0x28;
const IDO_REQUEST_ENABLE = 1 << 8;
const IDO_COMPLETION_ENABLE = 1 << 9;

/** Requests of a function of 4 KiB at BAR_AT, and how many completions each has. */
const REQUESTS: readonly [what: string, fill: (tlp: Tlp) => Tlp, completions: number][] = [
  ['a read', (tlp) => tlp.memoryRead(0, 1, 0, BAR_AT, 8), 1],
  ['a read in three parts', (tlp) => tlp.memoryRead(0, 1, 0, BAR_AT, 384), 3],
  ['a read of no bytes', (tlp) => tlp.memoryRead(0, 1, 0, BAR_AT, 0), 1],
  ['a deferrable write', (tlp) => tlp.deferrableWrite(0, 1, 0, BAR_AT, 64), 1],
  ['an AtomicOp, which it does not support', (tlp) => tlp.atomic(TlpKind.SWAP, 0, 1, 0, BAR_AT, 8), 1],
  ['a configuration read', (tlp) => tlp.configRead(0, 1, DEVICE, 0, 4), 1],
  ['a configuration write', (tlp) => tlp.configWrite(0, 1, DEVICE, 0x3c, 1), 1],
];

/** Attributes of all answers of a function to a request that has `attributes`. */
function answered(fill: (tlp: Tlp) => Tlp, attributes: number, control2: number): number[] {
  const bench = new RequesterBench({ behaviour: { deferrableWrite: () => true } }).control2(control2);
  bench.send((tlp) => {
    fill(tlp).attributes = attributes;
  });
  bench.engine.run();
  return bench.answers.map((answer) => answer.attributes);
}

describe.each(REQUESTS)('What a function answers to %s', (_, fill, completions) => {
  it('has No Snoop and Relaxed Ordering of the request, and not its IDO', () => {
    for (const enable of [0, IDO_REQUEST_ENABLE]) {
      expect(answered(fill, 0, enable)).toEqual(Array(completions).fill(0));
      expect(answered(fill, NO_SNOOP | ID_ORDERING, enable)).toEqual(Array(completions).fill(NO_SNOOP));
      expect(answered(fill, ALL, enable)).toEqual(Array(completions).fill(NO_SNOOP | RELAXED_ORDERING));
    }
  });

  it('has IDO with IDO Completion Enable, whether or not the request has it', () => {
    expect(answered(fill, 0, IDO_COMPLETION_ENABLE)).toEqual(Array(completions).fill(ID_ORDERING));
    expect(answered(fill, ALL, IDO_COMPLETION_ENABLE)).toEqual(Array(completions).fill(ALL));
  });
});

it('What no function takes is answered without IDO: there is nobody whose Device Control 2 would allow it', () => {
  const fill = (tlp: Tlp) => tlp.memoryRead(0, 1, 0, BAR_AT + 0x1000, 8);
  expect(answered(fill, ALL, IDO_COMPLETION_ENABLE)).toEqual([NO_SNOOP | RELAXED_ORDERING]);
});

/** What comes back to a device behind a switch, or on bus 0, of a request with all attributes that it sends. */
describe('What the root complex answers', () => {
  /** With `control2` in Device Control 2 of `rid`. */
  const behindPort = (rid: number, control2: number, fill: (tlp: Tlp) => Tlp) => {
    const tree = new Tree().bringUp();
    tree.configure(rid, PCIE_AT + DEVICE_CONTROL_2, 2, control2);
    const { bottom } = tree.links.find(({ name }) => name === 'port 0')!;
    const seen: { status: number; attributes: number }[] = [];
    bottom.receive = (tlp) => {
      seen.push({ status: tlp.status, attributes: tlp.attributes });
      bottom.release(tlp);
    };
    const tlp = fill(bottom.take());
    tlp.attributes = ALL;
    bottom.send(tlp);
    tree.engine.run();
    return seen;
  };
  const read = (tlp: Tlp) => tlp.memoryRead(ridOf(0), 1, 0, 0x1000, 8);
  const nowhere = (tlp: Tlp) => tlp.memoryRead(ridOf(0), 1, 0x10, 0, 8);

  it.each([
    ['a read', read, SUCCESSFUL],
    ['a read of no memory', nowhere, UNSUPPORTED_REQUEST],
  ])('to %s through a root port has IDO if that port has IDO Completion Enable', (_, fill, status) => {
    expect(behindPort(ROOT_PORT, 0, fill)).toEqual([{ status, attributes: NO_SNOOP | RELAXED_ORDERING }]);
    expect(behindPort(ROOT_PORT, IDO_COMPLETION_ENABLE, fill)).toEqual([{ status, attributes: ALL }]);
  });

  it('to a request for translations has Relaxed Ordering alone, also where it is refused', () => {
    const translation = (tlp: Tlp) => {
      read(tlp).addressType = AddressType.TRANSLATION;
      return tlp;
    };
    expect(behindPort(ROOT_PORT, IDO_COMPLETION_ENABLE, translation)).toEqual([
      { status: UNSUPPORTED_REQUEST, attributes: RELAXED_ORDERING },
    ]);
  });

  it('to its own devices has none: they are behind no port', () => {
    const board = new Board().bringUp();
    const { bottom } = board.link;
    const seen: number[] = [];
    bottom.receive = (tlp) => {
      seen.push(tlp.attributes);
      bottom.release(tlp);
    };
    const tlp = bottom.take().memoryRead(RID, 1, 0, 0x1000, 8);
    tlp.attributes = ALL;
    bottom.send(tlp);
    board.engine.run();
    expect(seen).toEqual([NO_SNOOP | RELAXED_ORDERING]);
  });

  it.each([
    ['its downstream port', portOf(0)],
    ['its upstream port', UPSTREAM],
  ])('is not what a switch answers: that has no IDO, whatever is written to %s', (_, rid) => {
    const beyondEverything = (tlp: Tlp) => tlp.memoryRead(ridOf(0), 1, 0, barOf(0) | 0, 8);
    expect(behindPort(rid, IDO_COMPLETION_ENABLE, beyondEverything)).toEqual([
      { status: UNSUPPORTED_REQUEST, attributes: NO_SNOOP | RELAXED_ORDERING },
    ]);
  });
});

describe('IDO Request Enable and IDO Completion Enable', () => {
  const BOTH = IDO_REQUEST_ENABLE | IDO_COMPLETION_ENABLE;
  const control2 = (config: ConfigSpace) => config.read(PCIE_AT + DEVICE_CONTROL_2, 2);

  it.each([
    ['an endpoint', PortType.ENDPOINT, BOTH],
    ['a legacy endpoint', PortType.LEGACY_ENDPOINT, BOTH],
    ['an endpoint of the root complex', PortType.INTEGRATED_ENDPOINT, BOTH],
    ['a root port', PortType.ROOT_PORT, BOTH],
    ['the upstream port of a switch', PortType.UPSTREAM_PORT, 0],
    ['a downstream port of a switch', PortType.DOWNSTREAM_PORT, 0],
    ['a bridge to PCI', PortType.PCIE_TO_PCI_BRIDGE, 0],
    ['an event collector', PortType.ROOT_COMPLEX_EVENT_COLLECTOR, 0],
  ])('are 0 at first, and in %s (type %i) hold 0x%x when both are written', (_, portType, held) => {
    const config = new ConfigSpace({ ...PLAIN, portType });
    expect(control2(config)).toBe(0);
    config.write(PCIE_AT + DEVICE_CONTROL_2, 2, BOTH);
    expect(control2(config)).toBe(held);
    config.functionLevelReset();
    expect(control2(config)).toBe(0);
  });

  it('are reserved in a virtual function, for which those of its physical function hold', () => {
    const physical = new ConfigSpace(EVERYTHING);
    const virtual = new ConfigSpace({ ...PLAIN, capabilities: {} }, { physical, index: 0 });
    virtual.write(PCIE_AT + DEVICE_CONTROL_2, 2, BOTH);
    expect([control2(virtual), virtual.ordersCompletionsById, virtual.pciExpress!.idOrdering]).toEqual([
      0,
      false,
      false,
    ]);
    physical.write(PCIE_AT + DEVICE_CONTROL_2, 2, BOTH);
    expect([control2(virtual), virtual.ordersCompletionsById, virtual.pciExpress!.idOrdering]).toEqual([0, true, true]);
  });
});
