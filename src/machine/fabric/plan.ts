/**
 * Which bus is where: firmware numbers the buses in depth-first order before any kernel runs, and so every place that a
 * specification names gets its requester id.
 */
import { requesterId } from '../../../hardware/pcie/index.ts';
import { InputError, quote } from '../input-error.ts';
import type { MachineSpec } from '../schema.ts';

/** The numbers that a bridge is given. */
export interface BusNumbers {
  readonly primary: number;
  readonly secondary: number;
  readonly subordinate: number;
}

export interface Plan {
  /** By the name of the bridge: of a root port, a switch (its upstream port), a downstream port or a PCI bridge. */
  readonly buses: ReadonlyMap<string, BusNumbers>;
  /** Requester id of a place. Throws an InputError for a bus that is not there. */
  requesterOf(at: string, path: string): number;
}

const LAST_BUS = 0xff;

/** The name of the bus behind downstream port `index` of a switch. */
export function downstreamName(name: string, index: number): string {
  return `${name}-${index}`;
}

export function planBuses({ rootPorts, switches, bridges }: MachineSpec): Plan {
  const buses = new Map<string, BusNumbers>();
  let last = 0;
  /** Numbers the bus behind `name`, and then what `inside` does. */
  const number = (name: string, primary: number, inside: (bus: number) => void): void => {
    const secondary = ++last;
    if (secondary > LAST_BUS) throw new InputError('machine.switches: expected at most 255 buses.');
    inside(secondary);
    buses.set(name, { primary, secondary, subordinate: last });
  };
  const port = (name: string, primary: number): void =>
    number(name, primary, (bus) => {
      for (const below of switches.filter(({ at }) => busOf(at) === name)) {
        number(below.name, bus, (inner) => {
          for (let i = 0; i < below.ports; i++) port(downstreamName(below.name, i), inner);
        });
      }
      for (const bridge of bridges.filter(({ at }) => busOf(at) === name)) number(bridge.name, bus, () => {});
    });
  for (const { name } of [...rootPorts].sort((a, b) => (a.at < b.at ? -1 : 1))) port(name, 0);
  const requesterOf = (at: string, path: string): number => {
    const name = busOf(at);
    const bus = name === '00' ? 0 : buses.get(name)?.secondary;
    if (bus === undefined || switches.some((one) => one.name === name)) {
      throw new InputError(`machine.${path}: there is no port ${quote(name)} with something behind it.`);
    }
    const [device, fn] = at.slice(at.indexOf(':') + 1).split('.');
    return requesterId(bus, Number.parseInt(device!, 16), Number(fn));
  };
  return { buses, requesterOf };
}

/** The bus of a place, by the name of the port above it. */
export function busOf(at: string): string {
  return at.slice(0, at.indexOf(':'));
}
