/** Switches (PCIe 6.0, 1.3.3, 2.2, 7.5.1.3) and the access control of their ports (6.12). */
import { describe, expect, it } from 'vitest';
import { BUFFER_OFFSET } from '../../hardware/devices/dma-engine/spec.ts';
import { AcsBit, MessageCode, TlpKind } from '../../hardware/pcie/index.ts';
import { barOf, portOf, ROOT_PORT, ridOf, Tree, UPSTREAM } from './tree.ts';

const START_READ = 0b001;
const START_WRITE = 0b011;
const DONE = 0b10;
const TRANSLATED = 2 << 4;
const buffer = (n: number) => barOf(n) + BUFFER_OFFSET;
const VALUE = 0x1122_3344_5566_7788n;

describe('A configuration request', () => {
  it('of type 0 reaches the function at the other end of the link, of type 1 the bus that a bridge leads to', () => {
    const tree = new Tree().bringUp();
    const kinds: string[] = [];
    for (const link of tree.links) {
      link.probe = (tlp, direction) => {
        if (direction === 'downstream' && tlp.isConfigRequest) kinds.push(`${link.name}: ${tlp.kind}`);
      };
    }
    expect(tree.config(ridOf(1), 0, 4)).toBe(0x0001_d3a0);
    expect(kinds).toEqual([`root port: ${TlpKind.CONFIG_READ_1}`, `port 1: ${TlpKind.CONFIG_READ_0}`]);
  });

  it('finds the ports of the switch itself on the bus that nobody sees', () => {
    const tree = new Tree().bringUp();
    const HEADER_TYPE = 0x0e;
    expect([ROOT_PORT, UPSTREAM, portOf(0), portOf(2)].map((rid) => tree.config(rid, HEADER_TYPE, 1) & 0x7f)).toEqual([
      1, 1, 1, 1,
    ]);
    expect(tree.config(portOf(3), 0, 4)).toBe(0xffff_ffff);
    expect(tree.config(portOf(0) | 1, 0, 4)).toBe(0xffff_ffff);
    expect(tree.config(ridOf(2) + 0x100, 0, 4)).toBe(0xffff_ffff);
  });

  it('tells a device on which bus it is', () => {
    const tree = new Tree().bringUp();
    expect(tree.devices.map(({ function: fn }) => fn.requester)).toEqual([ridOf(0), ridOf(1), ridOf(2)]);
  });
});

describe('A memory request', () => {
  it('from the CPU goes by the windows of the bridges, and from a device to memory', () => {
    const tree = new Tree().bringUp();
    tree.write(buffer(2), 8, VALUE);
    expect(tree.read(buffer(2))).toBe(VALUE);
    expect(tree.transfer(2, 0x1000n, START_WRITE) & DONE).toBe(DONE);
    expect(tree.memory.read64(0x1000)).toBe(VALUE);
    expect(tree.transfer(0, 0x1000n, START_READ) & DONE).toBe(DONE);
    expect(tree.read(buffer(0))).toBe(VALUE);
  });

  it('that no window takes ends as unsupported, and is logged by the port that it came through', () => {
    const tree = new Tree().bringUp();
    tree.configure(portOf(1), 0x04, 2, 0);
    expect(tree.read(barOf(1), 4)).toBe(0xffff_ffffn);
    tree.configure(portOf(1), 0x04, 2, 0b110);
    expect(tree.read(barOf(1), 4)).not.toBe(0xffff_ffffn);
  });

  it('passes no bridge whose Bus Master Enable is 0', () => {
    const tree = new Tree().bringUp();
    tree.configure(portOf(0), 0x04, 2, 0b010);
    const ERROR = 0b100;
    expect(tree.transfer(0, 0x1000n, START_READ) & ERROR).toBe(ERROR);
    tree.transfer(0, 0x1000n, START_WRITE);
    expect(tree.root.state).toMatchObject({ writes: 0, reads: 0 });
  });
});

/** Writes of device 0 to device 1, and where they go. */
function peerWrite(services: number, enabled: number, command = START_WRITE, prepare: (tree: Tree) => void = () => {}) {
  const tree = new Tree(services).bringUp();
  for (const n of [0, 1, 2]) tree.configure(portOf(n), acsAt(tree, portOf(n)) + 6, 2, enabled);
  prepare(tree);
  tree.write(buffer(0), 8, VALUE);
  tree.write(buffer(1), 8, 0n);
  tree.watch((tlp) => tlp.isMemoryRequest && tlp.requester === ridOf(0));
  const status = tree.transfer(0, BigInt(buffer(1)), command);
  const { way } = tree;
  tree.watch(() => false);
  return { tree, status, way, arrived: tree.read(buffer(1)) === VALUE };
}

/** Where the ACS capability of a port stands. */
function acsAt(tree: Tree, rid: number): number {
  for (let at = 0x100; at !== 0; ) {
    const header = tree.config(rid, at, 4);
    if ((header & 0xffff) === 0x0d) return at;
    at = header >>> 20;
  }
  throw new Error('no ACS');
}

const ALL = 0x7f;
const ACROSS = ['port 0 upstream', 'port 1 downstream'];
const BY_THE_ROOT = ['port 0 upstream', 'root port upstream', 'root port downstream', 'port 1 downstream'];

describe('What one device sends to another below the same switch', () => {
  it('goes straight across where no access control says otherwise', () => {
    expect(peerWrite(ALL, 0)).toMatchObject({ way: ACROSS, arrived: true });
  });

  it('is redirected to the root complex with P2P Request Redirect, and comes back down where that passes it on', () => {
    expect(peerWrite(ALL, AcsBit.REQUEST_REDIRECT)).toMatchObject({ way: BY_THE_ROOT, arrived: true });
  });

  it('is answered across, and by way of the root complex with P2P Completion Redirect', () => {
    const crossed = (enabled: number) => {
      const tree = new Tree(ALL).bringUp();
      tree.configure(portOf(1), acsAt(tree, portOf(1)) + 6, 2, enabled);
      tree.watch((tlp) => tlp.kind === TlpKind.COMPLETION_DATA && tlp.requester === ridOf(0));
      expect(tree.transfer(0, BigInt(buffer(1)), START_READ) & DONE).toBe(DONE);
      return tree.way;
    };
    expect(crossed(0)).toEqual(['port 1 upstream', 'port 0 downstream']);
    expect(crossed(AcsBit.COMPLETION_REDIRECT)).toEqual([
      'port 1 upstream',
      'root port upstream',
      'root port downstream',
      'port 0 downstream',
    ]);
  });

  it('is a violation under P2P Egress Control where the vector forbids the port, and redirected with Request Redirect', () => {
    const forbid = (n: number) => (tree: Tree) => tree.configure(portOf(0), acsAt(tree, portOf(0)) + 8, 4, 1 << n);
    const { EGRESS_CONTROL, REQUEST_REDIRECT } = AcsBit;
    expect(peerWrite(ALL, EGRESS_CONTROL, START_WRITE, forbid(1))).toMatchObject({
      way: ['port 0 upstream'],
      arrived: false,
    });
    expect(peerWrite(ALL, EGRESS_CONTROL, START_WRITE, forbid(2))).toMatchObject({ way: ACROSS, arrived: true });
    expect(peerWrite(ALL, EGRESS_CONTROL | REQUEST_REDIRECT, START_WRITE, forbid(1))).toMatchObject({
      way: BY_THE_ROOT,
      arrived: true,
    });
    expect(peerWrite(ALL, EGRESS_CONTROL | REQUEST_REDIRECT, START_WRITE, forbid(2))).toMatchObject({ way: ACROSS });
  });

  it('goes across in spite of Request Redirect when it is translated and Direct Translated P2P is on', () => {
    const { REQUEST_REDIRECT, DIRECT_TRANSLATED } = AcsBit;
    const enabled = REQUEST_REDIRECT | DIRECT_TRANSLATED;
    expect(peerWrite(ALL, enabled, START_WRITE | TRANSLATED)).toMatchObject({ way: ACROSS, arrived: true });
    expect(peerWrite(ALL, enabled)).toMatchObject({ way: BY_THE_ROOT });
  });

  it('is blocked by Translation Blocking when it is translated', () => {
    const { way, arrived, tree } = peerWrite(ALL, AcsBit.TRANSLATION_BLOCKING, START_WRITE | TRANSLATED);
    expect({ way, arrived }).toEqual({ way: ['port 0 upstream'], arrived: false });
    const ACS_VIOLATION = 1 << 21;
    const aer = tree.bridges.get('port 0')!.config.aer!.offset;
    expect(tree.config(portOf(0), aer + 4, 4)).toBe(ACS_VIOLATION);
  });
});

describe('What comes from below', () => {
  it('under a requester id of another bus passes no port with Source Validation', () => {
    const forged = (enabled: number) => {
      const tree = new Tree(ALL).bringUp();
      tree.configure(portOf(0), acsAt(tree, portOf(0)) + 6, 2, enabled);
      const { bottom } = tree.links.find(({ name }) => name === 'port 0')!;
      const tlp = bottom.take().memoryWrite(ridOf(1), 0, 0x1000, 4);
      tlp.data!.fill(0xee);
      bottom.send(tlp);
      tree.engine.run();
      return tree.memory.read64(0x1000);
    };
    expect(forged(0)).toBe(0xeeee_eeeen);
    expect(forged(AcsBit.SOURCE_VALIDATION)).toBe(0n);
  });

  it('and asks for a page in the name of another passes none either: a message is a request', () => {
    const heard = (enabled: number) => {
      const tree = new Tree(ALL).bringUp();
      tree.configure(portOf(0), acsAt(tree, portOf(0)) + 6, 2, enabled);
      const { bottom } = tree.links.find(({ name }) => name === 'port 0')!;
      for (const rid of [ridOf(1), ridOf(0)]) bottom.send(bottom.take().message(rid, MessageCode.PAGE_REQUEST, [0, 7]));
      tree.engine.run();
      return tree.root.state.messages;
    };
    expect([heard(0), heard(AcsBit.SOURCE_VALIDATION)]).toEqual([2, 1]);
  });

  it('and is for the port that it came through goes up only with Upstream Forwarding', () => {
    const back = (enabled: number) => {
      const tree = new Tree(ALL).bringUp();
      tree.configure(portOf(0), acsAt(tree, portOf(0)) + 6, 2, enabled);
      tree.watch((tlp) => tlp.isMemoryRequest && tlp.requester === ridOf(0));
      tree.transfer(0, BigInt(buffer(0)), START_WRITE);
      return tree.way;
    };
    expect(back(0)).toEqual(['port 0 upstream']);
    expect(back(AcsBit.UPSTREAM_FORWARDING)).toEqual([
      'port 0 upstream',
      'root port upstream',
      'root port downstream',
      'port 0 downstream',
    ]);
  });
});

describe('What answers a request that was forwarded upstream', () => {
  it('goes up by the same port with Upstream Forwarding, whatever Completion Redirect and Relaxed Ordering say', () => {
    const { UPSTREAM_FORWARDING, COMPLETION_REDIRECT } = AcsBit;
    for (const enabled of [UPSTREAM_FORWARDING, UPSTREAM_FORWARDING | COMPLETION_REDIRECT]) {
      const tree = new Tree(ALL).bringUp();
      tree.configure(portOf(0), acsAt(tree, portOf(0)) + 6, 2, enabled);
      tree.watch((tlp) => tlp.kind === TlpKind.COMPLETION_DATA && tlp.requester === ridOf(0));
      expect(tree.transfer(0, BigInt(buffer(0)), START_READ) & DONE).toBe(DONE);
      expect(tree.way).toEqual(['port 0 upstream', 'root port upstream', 'root port downstream', 'port 0 downstream']);
    }
  });

  it('is nobody’s without it: Completion Redirect is about other ports', () => {
    const tree = new Tree(ALL).bringUp();
    tree.configure(portOf(0), acsAt(tree, portOf(0)) + 6, 2, AcsBit.COMPLETION_REDIRECT);
    const { bottom } = tree.links.find(({ name }) => name === 'port 0')!;
    tree.watch((tlp) => tlp.kind === TlpKind.COMPLETION);
    bottom.send(bottom.take().answer(ridOf(0), 0, ridOf(0), 0, 4));
    tree.engine.run();
    expect(tree.way).toEqual(['port 0 upstream']);
  });
});

describe('A root port', () => {
  it('remembers error messages from below, and no other message as an error', () => {
    const tree = new Tree().bringUp();
    const { bottom } = tree.links.find(({ name }) => name === 'root port')!;
    const rootErrorStatus = tree.bridges.get('root port')!.config.aer!.offset + 0x30;
    const told = (code: number) => {
      bottom.send(bottom.take().message(ridOf(0), code));
      tree.engine.run();
      return tree.config(ROOT_PORT, rootErrorStatus);
    };
    for (const code of [MessageCode.PM_PME, MessageCode.VENDOR_DEFINED_TYPE_1]) expect(told(code)).toBe(0);
    // ERR_FATAL/NONFATAL Received, and Non-Fatal Error Messages Received.
    expect(told(MessageCode.ERR_NONFATAL)).toBe((1 << 2) | (1 << 5));
  });
});

describe('A completion that nobody waits for', () => {
  it.each([
    ['a root port, when it is for the CPU', 'root port', ROOT_PORT, 0],
    ['the downstream port where it would turn round', 'port 0', portOf(0), ridOf(0)],
  ])('is an Unexpected Completion, and advisory, at %s (PCIe 2.3.2, 6.2.3.2.4.5)', (_, name, port, requester) => {
    const tree = new Tree(ALL).bringUp();
    const at = tree.bridges.get(name)!.config.aer!.offset;
    // Unmasks Advisory Non-Fatal Errors.
    tree.configure(port, at + 0x14, 4, 0);
    const { bottom } = tree.links.find((link) => link.name === 'port 0')!;
    bottom.send(bottom.take().answer(requester, 7, ridOf(0), 0, 4));
    tree.engine.run();
    const UNEXPECTED_COMPLETION = 1 << 16;
    const ADVISORY_NON_FATAL = 1 << 13;
    expect([tree.config(port, at + 4, 4), tree.config(port, at + 0x10, 4)]).toEqual([
      UNEXPECTED_COMPLETION,
      ADVISORY_NON_FATAL,
    ]);
    // Non-Fatal Error Detected would say that somebody has to act.
    expect(tree.config(port, 0x4a, 2) & 0b111).toBe(0b001);
  });
});

describe('A switch', () => {
  it('gives everything back: no TLP and no credit is lost', () => {
    const tree = new Tree(ALL).bringUp();
    for (const n of [0, 1, 2]) {
      tree.transfer(n, 0x1000n, START_WRITE, 4096);
      tree.transfer(n, BigInt(buffer((n + 1) % 3)), START_READ, 512);
    }
    expect([tree.links[0]!.top.pool.taken, tree.root.inFlight, tree.engine.pending]).toEqual([0, 0, 0]);
  });
});
