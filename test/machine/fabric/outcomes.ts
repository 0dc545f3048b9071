/** How a request of a function must end, by where it goes and where its answer can go. */
import { Attribute, CompletionStatus, TlpKind } from '../../../hardware/pcie/index.ts';
import { accepts } from './bench.ts';
import type { Site } from './layout.ts';
import { routeOf, type Turn } from './routes.ts';

/** A completion status, or silence. */
export type Outcome = number | 'lost';

/** What of a request its end depends on. */
export interface Asked {
  readonly kind: number;
  readonly attributes: number;
  readonly translated: boolean;
  /** Of a deferrable write. */
  readonly writer: number;
}

export function outcomeOf(site: Site, target: Site | null, { kind, attributes, translated, writer }: Asked): Outcome {
  const { SUCCESSFUL, UNSUPPORTED_REQUEST, COMPLETER_ABORT, REQUEST_RETRY } = CompletionStatus;
  const route = routeOf({ source: site, target, kind: 'memory', translated, relaxed: false });
  if (route.turn === null) return route.refusal === 'violation' ? COMPLETER_ABORT : UNSUPPORTED_REQUEST;
  const isDeferrable = kind === TlpKind.DEFERRABLE_WRITE;
  // The root complex neither takes nor passes on what may be put off.
  if (isDeferrable && route.turn === 'root') return UNSUPPORTED_REQUEST;
  if (target === null) return SUCCESSFUL;
  if (wayBack(target, site, attributes) === null) return 'lost';
  if (kind !== TlpKind.MEMORY_READ && !isDeferrable) return UNSUPPORTED_REQUEST;
  return isDeferrable && !accepts(writer) ? REQUEST_RETRY : SUCCESSFUL;
}

/** The way of a completion, null when there is none. */
export function wayBack(completer: Site, requester: Site, attributes: number): Turn | null {
  const relaxed = (attributes & Attribute.RELAXED_ORDERING) !== 0;
  const route = routeOf({ source: completer, target: requester, kind: 'completion', translated: false, relaxed });
  return route.turn;
}

/**
 * The attributes of what answers a request: the request's, but that ID-based ordering is as the Device Control 2 says of who
 * answers (PCIe 2.2.6.4): the function that was asked, a switch, or the root complex through the port above who asks.
 */
export function answerAttributes(site: Site, target: Site | null, asked: Asked): number {
  const { attributes, translated, kind } = asked;
  const route = routeOf({ source: site, target, kind: 'memory', translated, relaxed: false });
  const isRoots = target === null || (kind === TlpKind.DEFERRABLE_WRITE && route.turn === 'root');
  const { ordersById } = route.turn === null ? route.by : isRoots ? site.hops.at(-1)! : target;
  return (attributes & ~Attribute.ID_ORDERING) | (ordersById ? Attribute.ID_ORDERING : 0);
}
