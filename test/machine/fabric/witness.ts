/**
 * Sees what is sent and what arrives, and says what should not have happened. It knows the links' first and last hops
 * and nothing of what lies between; where something may go it has from `routes.ts`.
 */
import { CompletionStatus, CreditClass, formatRequester, type Tlp, TlpKind } from '../../../hardware/pcie/index.ts';
import { AREA_IN_BAR, accepts, type FabricBench, HOST_AREA, type Observer } from './bench.ts';
import { History, writerOf } from './bytes.ts';
import { type Clock, Clocks } from './clocks.ts';
import type { Layout, Site } from './layout.ts';
import { answerAttributes, outcomeOf, wayBack } from './outcomes.ts';
import { addressOf, INTERRUPTS, isStrict, mayPassOwn, type Piece, Underway, writerIn } from './posted.ts';
import { judge, mostPieces, type Question, questionOfCpu, wrongByte } from './questions.ts';
import { Responses } from './responses.ts';
import { hearsMessages, routeOf, type Turn } from './routes.ts';
import { AREA } from './traffic.ts';

/** What a completion of a function pushes. */
interface Push {
  readonly clock: Clock | null;
  readonly owed: readonly Piece[];
}

const MOST_COMPLAINTS = 100;

export class Witness implements Observer {
  readonly complaints: string[] = [];
  readonly #clocks: Clocks;
  /** As a source, which functions are by their number. */
  readonly #cpu: number;
  readonly #layout: Layout;
  readonly #bench: FabricBench;
  /** By requester id, the number of a site. */
  readonly #sites = new Map<number, number>();
  readonly #histories: ReadonlyMap<Site | null, History>;
  readonly #underway = new Underway();
  /** By site and tag. */
  readonly #questions: Map<number, Question>[];
  readonly #responses = new Responses();
  readonly #pushes = new Map<Tlp, Push>();
  readonly #boundary: number;
  readonly #hostPayload: number;
  #serial = 0;

  constructor(bench: FabricBench) {
    const { layout, devices, root } = bench;
    this.#bench = bench;
    this.#layout = layout;
    this.#cpu = layout.sites.length;
    this.#clocks = new Clocks(this.#cpu + 1);
    devices.forEach(({ function: fn }, i) => {
      this.#sites.set(fn.requester, i);
    });
    const areas = layout.sites.map((site) => [site, new History(site.base + AREA_IN_BAR, AREA)] as const);
    this.#histories = new Map<Site | null, History>([[null, new History(HOST_AREA, AREA)], ...areas]);
    this.#questions = layout.sites.map(() => new Map());
    this.#boundary = root.spec.readCompletionBoundary;
    this.#hostPayload = Math.min(root.spec.maxPayload, layout.payload);
  }

  /** Completions that may still be under way, and responses to page requests. */
  get expected(): number {
    let pieces = this.#responses.owed;
    for (const questions of this.#questions) for (const question of questions.values()) pieces += mostPieces(question);
    return pieces;
  }

  /** A TLP leaves the function that made it. */
  sent(tlp: Tlp): void {
    const isCompletion = tlp.creditClass === CreditClass.COMPLETION;
    const source = this.#sites.get(isCompletion ? tlp.completer : tlp.requester);
    if (source === undefined) this.complain(`nobody has the id of ${describe(tlp)}`);
    else if (isCompletion) this.#answers(source, tlp);
    else this.#request(source, this.#layout.sites[source]!, tlp);
  }

  /** A request of the CPU leaves the root complex, or a message of its agent. */
  sentByCpu(tlp: Tlp): void {
    const target = tlp.isMessage ? this.#siteOf(tlp.completer) : this.#siteAt(addressOf(tlp));
    const brings = tlp.isMessage || (tlp.isMemoryRequest && tlp.data !== null);
    if (target === null || !brings) return;
    this.#post(this.#cpu, target, tlp, tlp.isMessage && !hearsMessages(target) ? null : 'root');
  }

  written(site: Site | null, address: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const writer = writerOf(bytes[0]!, address);
    for (const [i, byte] of bytes.entries()) {
      if (writerOf(byte, address + i) !== writer) this.complain(`the bytes at 0x${address.toString(16)} are mixed`);
    }
    const fits = (piece: Piece) =>
      piece.writer === writer &&
      piece.address === address &&
      piece.length === bytes.length &&
      piece.kind !== TlpKind.MESSAGE;
    this.#arrive(site, fits, `${bytes.length} bytes at 0x${address.toString(16)} of ${writer}`);
    const history = this.#histories.get(site)!;
    if (history.holds(address, bytes.length)) history.write(writer, address, bytes.length);
    else this.complain(`0x${address.toString(16)} was written`);
  }

  message(site: Site, tlp: Tlp): void {
    this.#responses.came(site, tlp);
    this.#messageArrives(site, tlp);
  }

  told(tlp: Tlp): void {
    this.#responses.told(this.#siteOf(tlp.requester), tlp);
    this.#messageArrives(null, tlp);
  }

  interrupt(address: number, writer: number): void {
    const fits = (piece: Piece) => piece.address === INTERRUPTS && piece.writer === writer;
    this.#arrive(null, fits, `interrupt ${writer} at 0x${address.toString(16)}`);
  }

  completion(site: Site, tlp: Tlp): void {
    const source = this.#layout.sites.indexOf(site);
    const questions = this.#questions[source]!;
    const question = questions.get(tlp.tag);
    if (question === undefined) {
      this.complain(`${site.name} has asked for no ${describe(tlp)}`);
      return;
    }
    if (question.clock !== null && !this.#clocks.isPast(question.clock)) {
      this.complain(`${describe(tlp)} comes before what was posted before its request`);
    }
    if (question.outcome !== 'lost' && tlp.status === CompletionStatus.SUCCESSFUL) {
      this.#hasArrived(question.owed, `the request of ${describe(tlp)}`);
    }
    const { wrong, isLast } = judge(question, tlp);
    if (wrong !== null) this.complain(`${describe(tlp)} ${wrong}`);
    question.came += tlp.length;
    if (isLast) questions.delete(tlp.tag);
    const push = this.#pushes.get(tlp);
    if (push === undefined) return;
    this.#pushes.delete(tlp);
    this.#hasArrived(push.owed, describe(tlp));
    if (push.clock !== null) this.#clocks.tell(source, push.clock);
  }

  /** The CPU begins to read a function: what that has posted to the host by now must be there in the end. */
  askedByCpu(site: Site, address: number, length: number): Question {
    const owed = this.#underway.posted(this.#cpu, site, 'root');
    const clock = this.#clocks.of(this.#layout.sites.indexOf(site));
    return questionOfCpu(this.#histories.get(site)!, address, length, { owed, clock });
  }

  answeredToCpu(question: Question, bytes: Uint8Array): void {
    this.#hasArrived(question.owed, 'an answer to the CPU');
    if (!this.#clocks.isPast(question.clock!)) this.complain('an answer to the CPU has passed what it pushes');
    const wrong = wrongByte(question, bytes);
    if (wrong !== null) this.complain(`an answer to the CPU ${wrong}`);
  }

  /** A TLP object begins another life. */
  forget(tlp: Tlp): void {
    this.#pushes.delete(tlp);
  }

  /** Everything is over. */
  finish(): void {
    for (const { writer, source, address } of this.#underway.missing) {
      this.complain(`what ${writer} of source ${source} sent to 0x${address.toString(16)} never arrived`);
    }
    this.#questions.forEach((questions, i) => {
      const { name } = this.#layout.sites[i]!;
      for (const [tag, { outcome, kind }] of questions) {
        if (outcome !== 'lost') this.complain(`tag ${tag} of ${name}, kind ${kind}, has no answer`);
      }
    });
    this.#responses.finish((what) => this.complain(what));
  }

  complain(what: string): void {
    if (this.complaints.length < MOST_COMPLAINTS) this.complaints.push(what);
  }

  #request(source: number, site: Site, tlp: Tlp): void {
    this.#checkSize(source, tlp);
    const target = tlp.isMessage ? this.#siteOf(tlp.completer) : this.#siteAt(addressOf(tlp));
    const kind = tlp.isMessage ? 'message' : 'memory';
    const journey = { source: site, target, kind, translated: tlp.addressType !== 0, relaxed: false } as const;
    const { turn } = routeOf(journey);
    if (tlp.creditClass === CreditClass.NON_POSTED) this.#ask(source, target, tlp, turn);
    if (tlp.data !== null && !tlp.isAtomic) this.#post(source, target, tlp, tlp.length === 0 ? null : turn);
    else if (tlp.isMessage) this.#post(source, target, tlp, turn);
  }

  #post(source: number, target: Site | null, tlp: Tlp, possible: Turn | null): void {
    const { kind, length, attributes, pasid } = tlp;
    const isPosted = kind !== TlpKind.DEFERRABLE_WRITE;
    const writer = length === 0 && !tlp.isMessage ? 0 : writerIn(tlp);
    // A deferrable write that is put off has no effect, and the root complex takes none of a function.
    const isTaken = isPosted || (accepts(writer) && (source === this.#cpu || possible !== 'root'));
    const turn = isTaken ? possible : null;
    const clock = turn !== null && isStrict(tlp) ? this.#clocks.of(source) : null;
    const number = turn !== null && target === null ? this.#clocks.post(source) : -1;
    const address = addressOf(tlp);
    const way = { source, target, turn, number, clock, serial: this.#serial++, arrived: false };
    this.#underway.add({ ...way, writer, kind, address, length, attributes, pasid });
  }

  #ask(source: number, target: Site | null, tlp: Tlp, turn: Turn | null): void {
    const site = this.#layout.sites[source]!;
    const questions = this.#questions[source]!;
    const before = questions.get(tlp.tag);
    if (before !== undefined && before.outcome !== 'lost') this.complain(`${describe(tlp)} takes a tag that is taken`);
    const { kind, length, attributes, trafficClass } = tlp;
    const address = addressOf(tlp);
    const history = kind === TlpKind.MEMORY_READ ? this.#histories.get(target)! : null;
    const translated = tlp.addressType !== 0;
    const writer = kind === TlpKind.DEFERRABLE_WRITE ? writerIn(tlp) : 0;
    const posted = this.#underway.posted(source, target, turn);
    const asked = { kind, attributes, translated, writer };
    const known = target === null && isStrict(tlp) ? this.#known(this.#clocks.of(source)) : [];
    questions.set(tlp.tag, {
      kind,
      address,
      length,
      attributes: answerAttributes(site, target, asked),
      trafficClass,
      outcome: outcomeOf(site, target, asked),
      boundary: target === null ? this.#boundary : 128,
      payload: target === null ? this.#hostPayload : this.#layout.payload,
      history,
      ages: history === null ? [] : Array.from({ length }, (_, i) => history.age(address + i)),
      owed: [...posted.filter((piece) => !mayPassOwn(tlp, piece)), ...known],
      clock: target === null && turn !== null && isStrict(tlp) ? this.#clocks.of(source) : null,
      came: 0,
    });
  }

  /** What has not arrived at the host of all that is in a clock. */
  #known(clock: Clock): Piece[] {
    return [...clock].flatMap((count, source) =>
      this.#underway.posted(source, null, 'root').filter(({ number }) => number < count),
    );
  }

  /** A function answers: what it has posted before is pushed. */
  #answers(source: number, tlp: Tlp): void {
    const site = this.#layout.sites[source]!;
    const asker = this.#sites.get(tlp.requester);
    const isPushing = isStrict(tlp);
    // Where the requester stands is not to be seen behind a bridge; then nothing is said about what is posted to it.
    const target = asker === undefined ? null : this.#layout.sites[asker]!;
    const way = target === null ? null : wayBack(site, target, tlp.attributes);
    const owed = target === null || !isPushing ? [] : this.#underway.posted(source, target, way);
    this.#pushes.set(tlp, { clock: isPushing ? this.#clocks.of(source) : null, owed });
  }

  #arrive(target: Site | null, fits: (piece: Piece) => boolean, what: string): void {
    const piece = this.#underway.take(target, fits);
    if (piece === null) {
      this.complain(`${what} arrived at ${target?.name ?? 'the host'}, and nobody has sent it, or not again`);
      return;
    }
    piece.arrived = true;
    const before = this.#underway
      .posted(piece.source, target, piece.turn)
      .filter(({ serial }) => serial < piece.serial);
    if (before.some((other) => !mayPassOwn(piece, other))) this.complain(`${what} has passed what was posted before`);
    if (target === null) {
      this.#clocks.arrive(piece.source, piece.number);
      if (piece.clock !== null && !this.#clocks.isPast(piece.clock)) this.complain(`${what} has passed what it pushes`);
    } else if (piece.clock !== null) this.#clocks.tell(this.#layout.sites.indexOf(target), piece.clock);
  }

  #messageArrives(target: Site | null, tlp: Tlp): void {
    const writer = writerIn(tlp);
    const words = addressOf(tlp);
    const fits = ({ kind, address, ...piece }: Piece) =>
      kind === TlpKind.MESSAGE && piece.writer === writer && address === words;
    this.#arrive(target, fits, `message ${writer}`);
  }

  #hasArrived(pieces: readonly Piece[], what: string): void {
    const missing = pieces.find(({ arrived }) => !arrived);
    if (missing !== undefined) this.complain(`${what} has passed what ${missing.writer} posted`);
  }

  #checkSize(source: number, tlp: Tlp): void {
    const { config } = this.#bench.devices[source]!.function;
    const limit = tlp.kind === TlpKind.MEMORY_READ ? config.maxReadRequest : this.#layout.payload;
    const isWithin = (tlp.addressLo & 0xfff) + tlp.length <= 4096;
    if (tlp.isMemoryRequest && !(tlp.length <= limit && isWithin)) this.complain(`${describe(tlp)} is too large`);
  }

  #siteAt(address: number): Site | null {
    for (const [site, history] of this.#histories) if (site !== null && history.holds(address)) return site;
    return null;
  }

  #siteOf(id: number): Site | null {
    return this.#layout.sites[this.#sites.get(id) ?? -1] ?? null;
  }
}

function describe({ kind, requester, tag, length }: Tlp): string {
  const name = Object.entries(TlpKind).find(([, value]) => value === kind)![0];
  return `${name} of ${formatRequester(requester)}, tag ${tag}, ${length} bytes`;
}
