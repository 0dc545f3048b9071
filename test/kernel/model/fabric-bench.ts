/** A machine of a preset, whose kernel has limits that a test reaches. */
import type { PhysicalMemory } from '../../../hardware/memory/index.ts';
import { Engine, type Script } from '../../../hardware/sim/index.ts';
import { Kernel, type KernelOptions } from '../../../src/kernel/index.ts';
import { MachineBus } from '../../../src/machine/bus.ts';
import { installFirmware } from '../../../src/machine/firmware/index.ts';
import { buildHardware } from '../../../src/machine/hardware.ts';
import { resolveSpec } from '../../../src/machine/index.ts';
import { Program } from '../../../src/user/index.ts';
import type { MachineBench } from '../machine-bench.ts';

/** What the model test needs of a machine. */
export type ModelBench = Pick<MachineBench, 'engine' | 'memory' | 'unit' | 'kernel' | 'bus' | 'run' | 'program'>;

export class FabricBench implements ModelBench {
  readonly engine = new Engine();
  readonly memory: PhysicalMemory;
  readonly unit: ModelBench['unit'];
  readonly bus: MachineBus;
  readonly kernel: Kernel;

  constructor(preset: string, kernel: Partial<KernelOptions>) {
    const spec = resolveSpec({ preset, memory: { megabytes: 64 } });
    const hardware = buildHardware(this.engine, spec, (address, data) => this.kernel.interrupt(address, data));
    this.memory = hardware.memory;
    this.unit = hardware.iommu.unit;
    this.bus = new MachineBus(hardware.rootComplex, hardware.controller, spec.kernel.costs);
    this.kernel = new Kernel(this.engine, this.bus, installFirmware(spec, hardware), kernel);
    this.run(this.kernel.boot());
  }

  run<T>(script: Script<T>): T {
    const task = this.engine.spawn(script);
    this.engine.run();
    return task.result;
  }

  program(name = 'program'): Program {
    return new Program(this.kernel.process(name));
  }
}
