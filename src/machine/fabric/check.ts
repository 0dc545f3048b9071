/** Whether the places of a machine specification fit together, one sentence about each that does not. */
import { quote } from '../input-error.ts';
import { busesBeyond, busOf, downstreamName, lastFunction, slotOf } from './plan.ts';

interface Placed {
  readonly name: string;
  readonly at: string;
}

interface PlacedDevice extends Placed {
  /** Virtual functions. */
  readonly vfs?: number;
}

export interface Places {
  readonly rootPorts: readonly (Placed & { readonly slot: boolean })[];
  readonly switches: readonly (Placed & { readonly ports: number; readonly slots: boolean })[];
  readonly bridges: readonly Placed[];
  readonly devices: readonly PlacedDevice[];
}

type Path = readonly (string | number)[];
/** `expected` goes on "expected …". */
type Complain = (path: Path, expected: string) => void;

const ROOT_BUS = '00';
const LAST_FUNCTION = 7;
const BUSES = 255;
const LISTS = ['rootPorts', 'switches', 'bridges', 'devices'] as const;

export function checkPlaces(places: Places, complain: Complain): void {
  const { rootPorts, switches, bridges, devices } = places;
  checkNames(places, complain);
  const downstream = switches.flatMap(({ name, ports }) =>
    Array.from({ length: ports }, (_, i) => downstreamName(name, i)),
  );
  const ports = [...rootPorts.map(({ name }) => name), ...downstream];
  const beyond = ports.map((port) => Math.max(0, ...devices.filter(({ at }) => busOf(at) === port).map(busesBeyond)));
  const buses = beyond.reduce((sum, count) => sum + count, ports.length + switches.length + bridges.length);
  if (buses > BUSES)
    complain(['switches'], `at most ${BUSES} buses behind ports, switches and bridges, and not ${buses}`);
  checkVirtualFunctions(devices, ports, complain);

  rootPorts.forEach(({ at }, i) => {
    const path = ['rootPorts', i, 'at'];
    if (rootPorts.findIndex((other) => other.at === at) < i) complain(path, 'a place that no other port has');
    if (devices.some((other) => slotOf(other.at) === slotOf(at))) complain(path, 'a device number that no device has');
    checkFunction0(at, rootPorts, path, complain);
  });

  const taken = new Set<string>();
  for (const list of ['switches', 'bridges', 'devices'] as const) {
    places[list].forEach(({ at }, i) => {
      const path = [list, i, 'at'];
      const bus = busOf(at);
      const isBehindBridge = list === 'devices' && bridges.some(({ name }) => name === bus);
      if (list === 'devices' && (bus === ROOT_BUS || isBehindBridge)) return;
      if (!ports.includes(bus)) complain(path, behind(ports, list === 'devices' ? bridges : []));
      else if (!(list === 'devices' ? /:00\.[0-7]$/ : /:00\.0$/).test(at)) {
        const what =
          list === 'devices' ? 'device number 00, which is all that a link leads to' : 'device 00, function 0';
        complain(path, what);
      } else {
        // Functions of one device are one thing.
        const isFirst = list !== 'devices' || devices.findIndex((other) => busOf(other.at) === bus) === i;
        if (isFirst && taken.has(bus)) complain(path, `a port with nothing behind it yet`);
        taken.add(bus);
      }
    });
  }
  const checkSlot = (port: string, path: Path) => {
    if (!taken.has(port)) complain(path, `false, as nothing is behind ${quote(port)} that could be in its slot`);
  };
  rootPorts.forEach(({ name, slot }, i) => {
    if (slot) checkSlot(name, ['rootPorts', i, 'slot']);
  });
  switches.forEach(({ name, ports, slots }, i) => {
    for (let n = 0; slots && n < ports; n++) checkSlot(downstreamName(name, n), ['switches', i, 'slots']);
  });
  switches.forEach(({ at }, i) => {
    if (!leadsToRoot(at, switches, rootPorts))
      complain(['switches', i, 'at'], 'a place that is not below the switch itself');
  });
}

/** Everything that has a name has one of its own: it stands for a bus, or in a trace. */
function checkNames(places: Places, complain: Complain): void {
  const taken = new Set<string>();
  for (const list of LISTS) {
    places[list].forEach((one, i) => {
      const names = [one.name];
      if ('ports' in one)
        names.push(...Array.from({ length: Number(one.ports) }, (_, n) => downstreamName(one.name, n)));
      if ('vfs' in one) names.push(...Array.from({ length: Number(one.vfs) }, (_, n) => `${one.name}v${n}`));
      const twice = names.find((name) => taken.has(name));
      if (twice !== undefined) complain([list, i, 'name'], `a name that nothing else has: there is a ${quote(twice)}`);
      for (const name of names) taken.add(name);
    });
  }
}

/** Virtual functions have the function numbers behind their device's own: as many as there are, and no one else's. */
function checkVirtualFunctions(devices: Places['devices'], ports: readonly string[], complain: Complain): void {
  devices.forEach((device, i) => {
    const { name, at, vfs = 0 } = device;
    if (vfs === 0) return;
    const own = functionOf(at);
    if (!ports.includes(busOf(at)) && own + vfs > LAST_FUNCTION) {
      complain(['devices', i, 'vfs'], `at most ${LAST_FUNCTION - own}, as there is no port above with room for more`);
    }
    devices.forEach((other, j) => {
      if (slotOf(other.at) !== slotOf(at) || functionOf(other.at) <= own || functionOf(other.at) > own + vfs) return;
      complain(['devices', j, 'at'], `a function number that no virtual function of ${quote(name)} has`);
    });
  });
}

function functionOf(at: string): number {
  return lastFunction({ at }) & LAST_FUNCTION;
}

/** A kernel looks for other functions only where function 0 answers. */
export function checkFunction0(
  at: string,
  all: readonly { readonly at: string }[],
  path: Path,
  complain: Complain,
): void {
  const first = `${slotOf(at)}.0`;
  if (!all.some((other) => other.at === first))
    complain(path, `a function of a device that has function 0, ${quote(first)}`);
}

function behind(ports: readonly string[], bridges: readonly Placed[]): string {
  const names = [...ports, ...bridges.map(({ name }) => name)];
  if (names.length === 0) return 'a place on bus 00, as there is no port';
  return `a place behind a port that there is, one of ${names.map(quote).join(', ')}`;
}

function leadsToRoot(at: string, switches: Places['switches'], rootPorts: readonly Placed[]): boolean {
  let bus = busOf(at);
  for (let depth = 0; depth <= switches.length; depth++) {
    if (rootPorts.some(({ name }) => name === bus)) return true;
    const above = switches.find(({ name, ports }) =>
      Array.from({ length: ports }, (_, i) => downstreamName(name, i)).includes(bus),
    );
    // Who stands behind nothing has been told so already.
    if (above === undefined) return true;
    bus = busOf(above.at);
  }
  return false;
}
