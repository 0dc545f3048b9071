/** What a broken fabric does: faults that are put around links when everything is built. Each must be found out. */
import { type LinkPort, type Tlp, TlpKind } from '../../../hardware/pcie/index.ts';
import type { FabricBench } from './bench.ts';
import type { FabricPlan, LinkPlan } from './plans.ts';
import type { Step, Traffic } from './traffic.ts';

type Direction = 'upstream' | 'downstream';
/** What becomes of a TLP that is sent; `pass` sends one. */
type Fault = (tlp: Tlp, pass: (tlp: Tlp) => void, bench: FabricBench) => void;

const link: LinkPlan = {
  generation: 3,
  width: 4,
  latency: 100,
  credits: { PH: 16, PD: null, NPH: 4, NPD: 8, CPLH: null, CPLD: null },
  updateFc: 0,
  dllp: 'none',
  ecrc: false,
  errors: null,
};
const port = { acs: { enabled: 0, egress: 0 }, node: { kind: 'device', functions: 1 } } as const;

/** A root port, a switch below it and two devices below that. */
export const SMALL: FabricPlan = {
  seed: 1,
  payload: 0,
  requesters: [{ readRequest: 2, tags: 8, ordersById: false }],
  host: { maxPayload: 128, boundary: 64, latency: 100 },
  link,
  rootPorts: [{ ...port, node: { kind: 'switch', latency: 100, link, ports: [port, port] }, link, ordersById: false }],
  integrated: [],
};

const step = { offset: 0x40, attributes: 0, pasid: undefined, translated: false, pause: 0, wait: true };
const ofDevice = (deed: 'read' | 'write' | 'message' | 'interrupt', target: number, length: number) =>
  ({ ...step, deed, target, length }) satisfies Step;

/** The first device writes to the host and to the second, which it tells so, and each reads; the CPU reads both. */
export const BUSY: Traffic = {
  threads: [
    {
      source: 0,
      steps: [
        ofDevice('write', 0, 40),
        ofDevice('read', 0, 300),
        ofDevice('write', 2, 300),
        ofDevice('message', 2, 0),
        ofDevice('read', 2, 300),
        ofDevice('interrupt', 0, 4),
      ],
    },
    { source: 1, steps: [ofDevice('read', 1, 100), ofDevice('read', 0, 200)] },
  ],
  cpu: [[0, 1].map((target) => ({ ...step, deed: 'load', target, length: 3 }))],
};

/** Lets `fault` deal with everything that goes through the link to the first device, or through that to the switch. */
function at(name: string, direction: Direction, fault: Fault): (bench: FabricBench) => void {
  return (bench) => {
    const way = bench.links.find((one) => one.name === name)![direction];
    const { port } = way;
    const broken: LinkPort = {
      canSend: (tlp) => port.canSend(tlp),
      send: (tlp) => fault(tlp, (passed) => port.send(passed), bench),
    };
    way.port = broken;
  };
}

const DEVICE = 'device0x0';
const SWITCH = 'switcha0';

/** Does `act` to the first TLP of a kind, and passes on all others. */
function toFirst(kind: number, act: Fault): Fault {
  let isDone = false;
  return (tlp, pass, bench) => {
    if (isDone || tlp.kind !== kind) return pass(tlp);
    isDone = true;
    act(tlp, pass, bench);
  };
}

/** Holds a TLP of one kind back until one of another has gone. */
function swap(first: number, second: number): Fault {
  let held: Tlp | null = null;
  let isDone = false;
  return (tlp, pass) => {
    if (!isDone && held === null && tlp.kind === first) held = tlp;
    else {
      pass(tlp);
      if (held === null || tlp.kind !== second) return;
      pass(held);
      held = null;
      isDone = true;
    }
  };
}

const { MEMORY_WRITE, MEMORY_READ, COMPLETION_DATA, MESSAGE } = TlpKind;
const lose: Fault = (tlp, _pass, { links }) => links[0]!.top.give(tlp);

/** By what is wrong: the fault, and what must be said of it. */
export const FAULTS: readonly [what: string, sabotage: (bench: FabricBench) => void, complaint: RegExp][] = [
  ['loses a completion', at(DEVICE, 'downstream', toFirst(COMPLETION_DATA, lose)), /has no answer|has byte count/],
  ['loses a write', at(SWITCH, 'upstream', toFirst(MEMORY_WRITE, lose)), /never arrived/],
  ['lets a read pass a write', at(DEVICE, 'upstream', swap(MEMORY_WRITE, MEMORY_READ)), /has not seen/],
  ['lets a message pass a write', at(DEVICE, 'upstream', swap(MEMORY_WRITE, MESSAGE)), /has passed/],
  ['lets an answer pass what it pushes', at(SWITCH, 'upstream', swap(MEMORY_WRITE, COMPLETION_DATA)), /has passed/],
  [
    'repeats a write',
    at(
      SWITCH,
      'upstream',
      toFirst(MEMORY_WRITE, (tlp, pass, { links }) => {
        const { requester, addressHi, addressLo, length, data } = tlp;
        const again = links[0]!.top.take().memoryWrite(requester, addressHi, addressLo, length);
        again.data!.set(data!.subarray(0, length));
        pass(tlp);
        pass(again);
      }),
    ),
    /not again/,
  ],
  [
    'swaps two bytes of an answer',
    at(
      SWITCH,
      'downstream',
      toFirst(COMPLETION_DATA, (tlp, pass) => {
        tlp.data!.subarray(0, 2).reverse();
        pass(tlp);
      }),
    ),
    /which it never was/,
  ],
  [
    'gives an answer to the neighbour',
    at(
      SWITCH,
      'downstream',
      toFirst(COMPLETION_DATA, (tlp, pass, { devices }) => {
        tlp.requester = devices.find(({ function: fn }) => fn.requester !== tlp.requester)!.function.requester;
        pass(tlp);
      }),
    ),
    /has asked for no|has byte count|never was/,
  ],
  [
    'keeps a credit',
    ({ devices }) => {
      const { end } = devices[0]!.function.endpoint;
      const forward = end.forward.bind(end);
      let kept = 0;
      end.forward = (tlp) => {
        if (kept++ > 0) forward(tlp);
      };
    },
    /still holds/,
  ],
];
