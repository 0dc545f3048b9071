/** A board with a malicious device, whose driver is the CPU's. */
import { MALICIOUS, Malicious } from '../../hardware/devices/malicious/index.ts';
import { CreditClass, encodeTlp, type LinkSpec, type RootComplex, type Tlp } from '../../hardware/pcie/index.ts';
import { ns, type Script } from '../../hardware/sim/index.ts';
import { type Attack, MaliciousDriver } from '../../src/user/malicious.ts';
import { BAR, DeviceBoard, RID } from './device-board.ts';

/** `seen` is what the device puts on the link of its own accord. */
export class EvilBoard extends DeviceBoard<Malicious> {
  readonly seen: Uint8Array[] = [];
  readonly driver: MaliciousDriver;

  constructor(link: Partial<LinkSpec> = {}) {
    super((engine) => new Malicious(engine, { ...MALICIOUS, name: 'evil0', requester: RID }), { link });
    this.driver = driverOf(this.rootComplex, BAR);
    this.link.probe = (tlp: Tlp, direction) => {
      if (direction === 'upstream' && tlp.creditClass !== CreditClass.COMPLETION) this.seen.push(encodeTlp(tlp));
    };
  }

  attack(attack: Attack) {
    const loot = this.run(this.driver.send(attack));
    this.engine.run();
    return loot;
  }
}

/** Reaches the registers at `bar` as the CPU does. */
export function driverOf(rootComplex: RootComplex, bar: number): MaliciousDriver {
  return new MaliciousDriver({
    *read(offset, length): Script<Uint8Array> {
      const bytes = new Uint8Array(length);
      const view = new DataView(bytes.buffer);
      for (let at = 0; at < length; at += 4) {
        view.setUint32(at, Number(yield* rootComplex.mmioRead(bar + offset + at, 4)), true);
      }
      return bytes;
    },
    *write(offset, bytes): Script<number> {
      for (let at = 0; at < bytes.length; at += 4) {
        const word = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
        yield* rootComplex.mmioWrite(bar + offset + at, 4, BigInt(word));
      }
      return bytes.length;
    },
    *sleep(nanoseconds): Script {
      yield ns(nanoseconds);
    },
  });
}
