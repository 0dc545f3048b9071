/**
 * What a browser would get of the two public entries, as a bundler makes it: nothing of Node, none of the optional packages. It runs
 * in a global scope that has the language and nothing else: less than any browser.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { type OutputChunk, rolldown } from 'rolldown';
import { describe, expect, it } from 'vitest';
import type * as Hardware from '../hardware/index.ts';
import type * as Ioasim from '../src/index.ts';
import * as ioasim from '../src/index.ts';
import { Bench, DATA, SID } from './vtd/tables.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const { dependencies, optionalDependencies, exports } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as {
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  exports: Record<string, { types: string }>;
};

/** One script that leaves everything that the entry exports in `it`. */
async function bundled(entry: string): Promise<OutputChunk> {
  // Where the types of an entry are built from is where its code is.
  const input = exports[entry]!.types.replace('/dist/', '/').replace('.d.ts', '.ts');
  const bundle = await rolldown({
    input,
    cwd: root,
    platform: 'browser',
    // Such as an import that nothing answers, or a module of Node.
    onLog: (_level, { message }) => {
      throw new Error(message);
    },
  });
  const { output } = await bundle.generate({ format: 'iife', name: 'it' });
  await bundle.close();
  const [chunk, ...others] = output;
  if (others.length > 0) throw new Error(`not one script, but ${output.map(({ fileName }) => fileName).join(' and ')}`);
  return chunk;
}

/** Names of the packages that modules of the bundle are of. */
function packagesOf({ moduleIds }: OutputChunk): Set<string> {
  const names = moduleIds.map((id) => /.*node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(id)?.[1]);
  return new Set(names.filter((name) => name !== undefined));
}

function loaded<T>({ code }: OutputChunk): T {
  return runInContext(`${code}\nit`, createContext({})) as T;
}

const BUNDLES = { '.': await bundled('.'), './hardware': await bundled('./hardware') };

describe.each([
  { entry: '.', packages: ['eventemitter3', 'zod'] },
  { entry: './hardware', packages: [] },
] as const)('The bundle of $entry', ({ entry, packages }) => {
  const bundle = BUNDLES[entry];

  it('imports nothing, now or later.', () => {
    expect([bundle.imports, bundle.dynamicImports]).toEqual([[], []]);
    expect(bundle.code).not.toMatch(/\bimport\s*\(|\brequire\s*\(|['"`]node:/);
  });

  it('holds packages that are always installed, and no other.', () => {
    expect([...packagesOf(bundle)].sort()).toEqual(packages);
    for (const name of packages) expect(dependencies).toHaveProperty(name);
    for (const name of packages) expect(optionalDependencies).not.toHaveProperty(name);
  });

  it('is loaded where there is nothing of Node, and nothing of a browser.', () => {
    const context = createContext({});
    for (const name of ['process', 'Buffer', 'require', 'setTimeout', 'TextEncoder', 'performance', 'window', 'URL'])
      expect(runInContext(`typeof ${name}`, context)).toBe('undefined');
    expect(Object.keys(loaded<object>(bundle)).length).toBeGreaterThan(0);
  });
});

describe('Without Node', () => {
  const inBrowser = loaded<typeof Ioasim>(BUNDLES['.']);

  /** A process maps a page, and a device writes into it. */
  const firstDma = ({ scenario, ...api }: typeof Ioasim) =>
    scenario({
      name: 'in-a-browser',
      title: 'A device writes into a process',
      *run(s) {
        const app = s.process('app');
        const device = yield* app.open('/dev/vfio/devices/dma0');
        const ioasids = yield* app.open('/dev/ioasid');
        yield* app.ioctl(device, api.VFIO_BIND_IOASID_FD, { ioasid_fd: ioasids });
        const ioasid = yield* app.ioctl(ioasids, api.IOASID_ALLOC);
        yield* app.ioctl(device, api.VFIO_ATTACH_IOASID, { ioasid });
        const vaddr = yield* app.mmap(4096);
        const mapping = { ioasid, flags: api.IoasidMapFlag.WRITE, vaddr, iova: 0x1000n, size: 4096n };
        yield* app.ioctl(ioasids, api.IOASID_MAP_DMA, mapping);
        const engine = yield* s.dmaEngine(app, device);
        yield* engine.write(0x1000n, Uint8Array.of(0xca, 0xfe));
        s.expect('The bytes are in the memory of the process.', [...app.read(vaddr, 2)], [0xca, 0xfe]);
      },
    });

  it.each(['intel-scalable', 'amd-full', 'intel-cascade-lake'])(
    'a machine is built and translates, as it does with Node: %s.',
    (machine) => {
      const report = inBrowser.runScenario(firstDma(inBrowser), { machine });
      expect(report).toMatchObject({ ok: true, statistics: { iotlbMisses: 1 } });
      expect(JSON.stringify(report)).toBe(JSON.stringify(ioasim.runScenario(firstDma(ioasim), { machine })));
    },
  );

  it('input that is wrong is told in one sentence.', () => {
    expect(() => inBrowser.buildMachine({ preset: 'intel-legacy', iommu: { walkers: -1 } } as never)).toThrow(
      /walkers/,
    );
  });

  it('a rig translates a DMA of a device whose tables somebody wrote.', () => {
    const { createRig } = loaded<typeof Hardware>(BUNDLES['./hardware']);
    const bench = new Bench({ make: createRig }).usual().enable();
    // An array of that global scope, not of this one.
    const data = bench.rig.readMemory(DATA, 2);
    data.set([0xca, 0xfe]);
    expect(bench.write(0x123n, SID, data)).toMatchObject({ ok: true });
    expect([...bench.rig.readMemory(DATA + 0x123n, 2)]).toEqual([0xca, 0xfe]);
    expect(bench.write(0x1000n, SID, data)).toMatchObject({ ok: false, fault: { name: 'LGN.2' } });
  });
});
