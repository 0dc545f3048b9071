/**
 * What a machine specification may say about the way between root complex and devices. Every place is written as
 * `bus:device.function`, where the bus is `00` or the name of the port or bridge above it.
 */
import { z } from 'zod';
import { AcsBit, SWITCH } from '../../../hardware/pcie/index.ts';
import { between, flag, oneOf, section, whole } from '../kinds.ts';
import { LINK_SECTION } from '../link-schema.ts';

const NAME = 'a name of lower-case letters, digits and dashes';
const ON_BUS_0 = 'a place on bus 00 from "00:01.0" to "00:1f.7"';
const BEHIND = 'a place on bus 00 from "00:01.0" to "00:1f.7", or behind a port as in "port0:00.0"';

export function deviceName() {
  return z.string({ error: NAME }).regex(/^[a-z][a-z0-9-]*$/, { error: NAME });
}

/** On the root complex's own bus. */
function placeOnBus0() {
  return z.string({ error: ON_BUS_0 }).regex(/^00:(0[1-9a-f]|1[0-9a-f])\.[0-7]$/, { error: ON_BUS_0 });
}

/** On bus 00 or behind a port. */
export function place() {
  return z
    .string({ error: BEHIND })
    .regex(/^(00:(0[1-9a-f]|1[0-9a-f])\.[0-7]|[a-z][a-z0-9-]*:[01][0-9a-f]\.[0-7])$/, { error: BEHIND });
}

const SERVICES = Object.keys(AcsBit).map((name) => name.toLowerCase().replaceAll('_', '-')) as [string, ...string[]];

/** Access control services that the ports have; the kernel switches on what it wants. */
const ACS = z.array(oneOf(SERVICES), { error: `a list of ${SERVICES.join(', ')}` });
const ALL_BUT_EGRESS = SERVICES.filter((name) => name !== 'egress-control');

export const ROOT_PORTS = z.array(
  section({
    name: deviceName(),
    at: placeOnBus0(),
    acs: ACS.default(ALL_BUT_EGRESS),
    /** Whether what is behind it stands in a slot, from which it can be pulled out while the machine runs. */
    slot: flag().default(false),
    link: LINK_SECTION.nullable().default(null),
  }),
  { error: 'a list of root ports, each with the fields name, at' },
);

export const SWITCHES = z.array(
  section({
    name: deviceName(),
    at: place(),
    /** Downstream ports: those of switch0 are the buses switch0-0, switch0-1 and so on. */
    ports: whole(1, 32),
    acs: ACS.default(ALL_BUT_EGRESS),
    /** Whether its downstream ports have slots. */
    slots: flag().default(false),
    /** Nanoseconds that a TLP spends in it. */
    latency: between(0, 100_000, 'nanoseconds').default(SWITCH.latency),
    /** The links below it; `null`: the machine's. */
    link: LINK_SECTION.nullable().default(null),
  }),
  { error: 'a list of switches, each with the fields name, at, ports' },
);

/** From PCI Express to a conventional bus, whose devices all speak with the bridge's id. */
export const BRIDGES = z.array(section({ name: deviceName(), at: place() }), {
  error: 'a list of bridges, each with the fields name, at',
});

/** The bits of services that are named. */
export function servicesOf(names: readonly string[]): number {
  const bits = AcsBit as Readonly<Record<string, number>>;
  return names.reduce((sum, name) => sum | bits[name.toUpperCase().replaceAll('-', '_')]!, 0);
}
