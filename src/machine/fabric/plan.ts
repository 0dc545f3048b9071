/**
 * Which bus is where: firmware numbers the buses in depth-first order before any kernel runs, and so every place that a
 * specification names gets its requester id.
 */
import { requesterId } from '../../../hardware/pcie/index.ts';
import type { AliasRange, DevicePath } from '../iommu/index.ts';
import type { MachineSpec } from '../schema.ts';

/** The numbers that a bridge is given. */
export interface BusNumbers {
  /** Its own id. */
  readonly requester: number;
  readonly primary: number;
  readonly secondary: number;
  readonly subordinate: number;
}

export interface Plan {
  /** By the name of the bridge: of a root port, a switch (its upstream port), a downstream port or a PCI bridge. */
  readonly buses: ReadonlyMap<string, BusNumbers>;
  readonly lastBus: number;
  /** Devices behind PCI bridges and the id that their requests carry. */
  readonly aliases: readonly AliasRange[];
  /** Requester id of a place. */
  requesterOf(at: string): number;
  /** The way from the root bus to a function. */
  pathTo(requester: number): DevicePath;
}

/** The name of the bus behind downstream port `index` of a switch. */
export function downstreamName(name: string, index: number): string {
  return `${name}-${index}`;
}

/** The place of a device, and how many virtual functions it can have. */
interface Populated {
  readonly at: string;
  readonly vfs?: number;
}

/** For a specification whose places have been checked. */
export function planBuses({
  rootPorts,
  switches,
  bridges,
  devices,
}: Pick<MachineSpec, 'rootPorts' | 'switches' | 'bridges'> & { readonly devices: readonly Populated[] }): Plan {
  const buses = new Map<string, BusNumbers>();
  let last = 0;
  /** Numbers the bus behind the bridge `name`, and then what `inside` does. */
  const number = (name: string, requester: number, inside: (bus: number) => void): void => {
    const secondary = ++last;
    inside(secondary);
    buses.set(name, { requester, primary: requester >>> 8, secondary, subordinate: last });
  };
  const port = (name: string, requester: number): void =>
    number(name, requester, (bus) => {
      // Virtual functions beyond the last function number of a bus have the next buses.
      last += Math.max(0, ...devices.filter(({ at }) => busOf(at) === name).map(busesBeyond));
      for (const below of switches.filter(({ at }) => busOf(at) === name)) {
        number(below.name, requesterId(bus, 0, 0), (inner) => {
          for (let i = 0; i < below.ports; i++) port(downstreamName(below.name, i), requesterId(inner, i, 0));
        });
      }
      for (const bridge of bridges.filter(({ at }) => busOf(at) === name)) {
        number(bridge.name, requesterId(bus, 0, 0), () => {});
      }
    });
  for (const { name, at } of [...rootPorts].sort((a, b) => (a.at < b.at ? -1 : 1))) port(name, onBus(0, at));
  const aliases = bridges.map(({ name }) => {
    const { secondary } = buses.get(name)!;
    return { first: secondary << 8, last: (secondary << 8) | 0xff, alias: secondary << 8 };
  });
  const pathTo = (requester: number): DevicePath => {
    const hop = [(requester >>> 3) & 31, requester & 7] as const;
    const bus = requester >>> 8;
    const leading = [...buses.values()].filter(({ secondary, subordinate }) => secondary <= bus && bus <= subordinate);
    const above = leading.sort((a, b) => b.secondary - a.secondary)[0];
    return above === undefined ? [hop] : [...pathTo(above.requester), hop];
  };
  const requesterOf = (at: string) => onBus(buses.get(busOf(at))?.secondary ?? 0, at);
  return { buses, lastBus: last, aliases, requesterOf, pathTo };
}

function onBus(bus: number, at: string): number {
  const [device, fn] = at.slice(at.indexOf(':') + 1).split('.');
  return requesterId(bus, Number.parseInt(device!, 16), Number(fn));
}

/** Buses that a device has beside the one it stands on. */
export function busesBeyond(device: Populated): number {
  return lastFunction(device) >>> 8;
}

/** The number of a device's last function on its bus, or how far that lies beyond it; with none but itself, its own. */
export function lastFunction({ at, vfs = 0 }: Populated): number {
  return (onBus(0, at) & 0xff) + vfs;
}

/** The bus of a place, by the name of the port above it. */
export function busOf(at: string): string {
  return at.slice(0, at.indexOf(':'));
}

/** A place without its function number. */
export function slotOf(at: string): string {
  return at.slice(0, at.indexOf('.'));
}
