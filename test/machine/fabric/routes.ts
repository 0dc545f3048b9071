/**
 * Which way a TLP goes, and how it ends, by the words of the specification: PCIe 6.12, access control. What is written here
 * knows nothing of the models.
 */
import { AcsBit } from '../../../hardware/pcie/index.ts';
import type { Hop, Site } from './layout.ts';

/** Where a TLP turns round to go down: a hop of who sends it, or the root complex. */
export type Turn = Hop | 'root';
/** It gets there, or a hop refuses it: nobody takes it, or it is a violation. */
export type Route = { readonly turn: Turn } | { readonly turn: null; readonly refusal: Refusal; readonly by: Hop };
export type Refusal = 'unsupported' | 'violation';

/** What of a TLP its way depends on. `target` is null for the host. */
export interface Journey {
  readonly source: Site;
  readonly target: Site | null;
  readonly kind: 'memory' | 'message' | 'completion';
  readonly translated: boolean;
  readonly relaxed: boolean;
}

export function routeOf(journey: Journey): Route {
  const { source, target, kind } = journey;
  for (const hop of source.hops) {
    const blocksTranslated = hop.kind === 'root' || hop.kind === 'downstream';
    if (kind === 'memory' && journey.translated && blocksTranslated && isOn(hop, AcsBit.TRANSLATION_BLOCKING)) {
      return { turn: null, refusal: 'violation', by: hop };
    }
    if (target === null) continue;
    // On a conventional bus neighbours hear each other, and there are no messages.
    if (hop.kind === 'bridge' && kind !== 'message' && target.hops.includes(hop)) return arrive(hop, journey);
    const port = hop.siblings.findIndex((sibling) => target.hops.includes(sibling));
    if (port < 0) continue;
    const way = atPort(hop, port, journey);
    if (way === 'across') return arrive(hop, journey);
    if (way !== 'up') return { turn: null, refusal: way, by: hop };
  }
  return arrive('root', journey);
}

/** Messages do not exist on a conventional bus. */
export function hearsMessages({ hops }: Site): boolean {
  return hops[0]!.kind !== 'bridge';
}

function arrive(turn: Turn, { target, kind }: Journey): Route {
  if (kind !== 'message' || target === null || hearsMessages(target)) return { turn };
  return { turn: null, refusal: 'unsupported', by: target.hops[0]! };
}

/** What the downstream port does with a TLP that is for what lies below port number `port` of the same switch. */
function atPort(hop: Hop, port: number, { kind, translated, relaxed }: Journey): 'across' | 'up' | Refusal {
  const redirects = isOn(hop, AcsBit.REQUEST_REDIRECT);
  if (hop.siblings[port] === hop) return isOn(hop, AcsBit.UPSTREAM_FORWARDING) ? 'up' : 'unsupported';
  if (kind === 'completion') return isOn(hop, AcsBit.COMPLETION_REDIRECT) && !relaxed ? 'up' : 'across';
  if (kind === 'message') return redirects ? 'up' : 'across';
  if (translated && isOn(hop, AcsBit.DIRECT_TRANSLATED)) return 'across';
  if (!isOn(hop, AcsBit.EGRESS_CONTROL)) return redirects ? 'up' : 'across';
  const forbidden = ((hop.acs.egress >>> port) & 1) !== 0;
  return !forbidden ? 'across' : redirects ? 'up' : 'violation';
}

function isOn({ acs }: Hop, service: number): boolean {
  return (acs.enabled & service) !== 0;
}
