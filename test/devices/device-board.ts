/** Memory, a root complex and one device with its base address in place. The CPU is the test. */
import { MemoryController, PhysicalMemory } from '../../hardware/memory/index.ts';
import {
  COMMAND_STATUS,
  type Device,
  LINK,
  type Link,
  type LinkSpec,
  ROOT_COMPLEX,
  RootComplex,
} from '../../hardware/pcie/index.ts';
import { after, type Duration, Engine, type Script } from '../../hardware/sim/index.ts';

export const RID = 0x0008;
export const BAR = 0xfe00_0000;
const MIB = 2 ** 20;

export interface BoardSpec {
  readonly link?: Partial<LinkSpec>;
  /** Bytes that memory takes in a nanosecond. */
  readonly memoryRate?: number;
}

export class DeviceBoard<D extends Device> {
  readonly engine = new Engine();
  readonly memory = new PhysicalMemory([[0, 64 * MIB]]);
  readonly controller: MemoryController;
  readonly rootComplex: RootComplex;
  readonly device: D;
  readonly link: Link;
  readonly interrupts: { data: number; at: number }[] = [];

  constructor(make: (engine: Engine) => D, { link, memoryRate = 64 }: BoardSpec = {}) {
    const { engine } = this;
    this.controller = new MemoryController(engine, this.memory, { latency: 100, bytesPerNanosecond: memoryRate });
    this.rootComplex = new RootComplex(engine, this.controller, ROOT_COMPLEX);
    this.device = make(engine);
    this.link = this.rootComplex.connect({ ...LINK, ...link }, this.device.functions);
    this.rootComplex.onInterrupt = (_address, data) => this.interrupts.push({ data, at: engine.now });
    const { rootComplex } = this;
    this.run(
      (function* () {
        yield* rootComplex.configWrite(RID, 0x10, 4, BAR);
        yield* rootComplex.configWrite(RID, COMMAND_STATUS.$.offset!, 2, 0b110);
      })(),
    );
  }

  run<T>(script: Script<T>): T {
    return this.engine.runUntilDone(this.engine.spawn(script));
  }

  /** Lets time pass. */
  pass(duration: Duration): void {
    this.engine.runUntil(after(this.engine.now, duration));
  }

  /** Writes configuration registers: bytes from the start of the function's space, size, value. */
  configure(...writes: readonly [offset: number, size: number, value: number][]): void {
    for (const [offset, size, value] of writes) this.run(this.rootComplex.configWrite(RID, offset, size, value));
  }

  /** Enables vectors 0 to `count` - 1 of the MSI-X table at `table`: the data of each is its number. */
  protected enableVectors(table: number, count: number): this {
    for (let vector = 0; vector < count; vector++) {
      const at = table + vector * 16;
      this.write(at, 8, 0xfee0_0000);
      this.write(at + 8, 8, vector);
    }
    const { offset } = this.device.functions[0]!.config.msix!;
    this.configure([offset + 2, 2, 0x8000]);
    return this;
  }

  write(offset: number, size: number, value: number | bigint): void {
    this.run(this.rootComplex.mmioWrite(BAR + offset, size, BigInt(value)));
  }

  read(offset: number, size = 4): bigint {
    return this.run(this.rootComplex.mmioRead(BAR + offset, size));
  }
}
