/** What a broken fabric does: faults that are put around links when everything is built. Each must be found out. */
import { type LinkPort, MessageCode, type Tlp, TlpKind } from '../../../hardware/pcie/index.ts';
import type { FabricBench } from './bench.ts';
import type { FabricPlan, LinkPlan } from './plans.ts';
import type { Step, Traffic } from './traffic.ts';

type Direction = 'upstream' | 'downstream';
/** Which TLPs a fault is about. */
type Which = (tlp: Tlp) => boolean;
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
  agent: { credits: 4, slowest: 50 },
  host: { maxPayload: 128, boundary: 64, latency: 100 },
  link,
  rootPorts: [{ ...port, node: { kind: 'switch', latency: 100, link, ports: [port, port] }, link, ordersById: false }],
  integrated: [],
};

const step = { offset: 0x40, attributes: 0, pasid: undefined, translated: false, pause: 0, wait: true };
const ofDevice = (deed: 'read' | 'write' | 'message' | 'tell' | 'interrupt', target: number, length: number) =>
  ({ ...step, deed, target, length }) satisfies Step;

/**
 * The first device writes to the host and to the second, which it tells so, and each reads; the second writes to the host
 * and asks it for a page; the CPU reads both.
 */
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
    { source: 1, steps: [ofDevice('write', 0, 40), ofDevice('tell', 0, 0)] },
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
const NEIGHBOUR = 'device1x0';
const SWITCH = 'switcha0';

/** Does `act` to the first TLP of those, and passes on all others. */
function toFirst(is: Which, act: Fault): Fault {
  let isDone = false;
  return (tlp, pass, bench) => {
    if (isDone || !is(tlp)) return pass(tlp);
    isDone = true;
    act(tlp, pass, bench);
  };
}

/** Holds a TLP of the one sort back until one of the other has gone. */
function swap(isFirst: Which, isSecond: Which): Fault {
  let held: Tlp | null = null;
  let isDone = false;
  return (tlp, pass) => {
    if (!isDone && held === null && isFirst(tlp)) held = tlp;
    else {
      pass(tlp);
      if (held === null || !isSecond(tlp)) return;
      pass(held);
      held = null;
      isDone = true;
    }
  };
}

const isWrite: Which = ({ kind }) => kind === TlpKind.MEMORY_WRITE;
const isRead: Which = ({ kind }) => kind === TlpKind.MEMORY_READ;
const isAnswer: Which = ({ kind }) => kind === TlpKind.COMPLETION_DATA;
const isMessage: Which = ({ kind }) => kind === TlpKind.MESSAGE;
const isPageRequest: Which = (tlp) => tlp.isMessage && tlp.messageCode === MessageCode.PAGE_REQUEST;
const isPageResponse: Which = (tlp) => tlp.isMessage && tlp.messageCode === MessageCode.PAGE_REQUEST_GROUP_RESPONSE;
const repeat: Fault = (tlp, pass, { links }) => {
  const { requester, addressHi, addressLo, length, data, messageCode } = tlp;
  const again = links[0]!.top.take();
  if (tlp.isMessage) again.message(requester, messageCode, [addressHi, addressLo]);
  else again.memoryWrite(requester, addressHi, addressLo, length).data!.set(data!.subarray(0, length));
  pass(tlp);
  pass(again);
};
const lose: Fault = (tlp, _pass, { links }) => links[0]!.top.give(tlp);

/** By what is wrong: the fault, and what must be said of it. */
export const FAULTS: readonly [what: string, sabotage: (bench: FabricBench) => void, complaint: RegExp][] = [
  ['loses a completion', at(DEVICE, 'downstream', toFirst(isAnswer, lose)), /has no answer|has byte count/],
  ['loses a write', at(SWITCH, 'upstream', toFirst(isWrite, lose)), /never arrived/],
  ['lets a read pass a write', at(DEVICE, 'upstream', swap(isWrite, isRead)), /has not seen/],
  ['lets a message pass a write', at(DEVICE, 'upstream', swap(isWrite, isMessage)), /has passed/],
  ['lets an answer pass what it pushes', at(SWITCH, 'upstream', swap(isWrite, isAnswer)), /has passed/],
  ['repeats a write', at(SWITCH, 'upstream', toFirst(isWrite, repeat)), /not again/],
  ['loses a page request', at(SWITCH, 'upstream', toFirst(isPageRequest, lose)), /never arrived/],
  ['repeats a page request', at(SWITCH, 'upstream', toFirst(isPageRequest, repeat)), /message \d+ .* not again/],
  [
    'lets a page request pass a write',
    at(NEIGHBOUR, 'upstream', swap(isWrite, isPageRequest)),
    /message \d+ has passed/,
  ],
  [
    'loses a response to a page request on its first link',
    at(SWITCH, 'downstream', toFirst(isPageResponse, lose)),
    /page requests of device1x0 have no response/,
  ],
  ['loses one on its last', at(NEIGHBOUR, 'downstream', toFirst(isPageResponse, lose)), /never arrived/],
  [
    'swaps two bytes of an answer',
    at(
      SWITCH,
      'downstream',
      toFirst(isAnswer, (tlp, pass) => {
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
      toFirst(isAnswer, (tlp, pass, { devices }) => {
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
