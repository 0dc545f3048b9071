/** What Set Features sets and Get Features tells. */
import { encode } from '../../bits/index.ts';
import { ARBITRATION, FEATURES, FeatureId, NUMBER_OF_QUEUES, Select, SQE, Status } from './spec/index.ts';

/** What a features command comes to. */
export interface Answer {
  readonly status: number;
  readonly result?: number;
}

/** A command that fails. */
export function failed(status: number): Answer {
  return { status };
}

const CHANGEABLE = 0b100;
const NOT_POSSIBLE = 0xffff;
const NO_BURST_LIMIT = 7;
const DEFAULT_BURST = 3;

export class Features {
  readonly #queues: number;
  readonly #vectors: number;
  readonly #current = new Map<number, number>();
  #burst = DEFAULT_BURST;

  constructor(queues: number, vectors: number) {
    this.#queues = queues;
    this.#vectors = vectors;
  }

  /** Commands that are fetched from one queue at a time. */
  get burst(): number {
    return this.#burst === NO_BURST_LIMIT ? Number.MAX_SAFE_INTEGER : 2 ** this.#burst;
  }

  /** `hasQueues`: there are I/O queues, whose number can no longer be agreed on. */
  set(words: Uint32Array, hasQueues: boolean): Answer {
    const id = FEATURES.FID.get(words);
    const value = SQE.CDW11.get(words);
    const initial = this.#initial(id, value);
    if (initial === undefined) return failed(Status.INVALID_FIELD_IN_COMMAND);
    if (FEATURES.SV.isSet(words)) return failed(Status.FEATURE_IDENTIFIER_NOT_SAVEABLE);
    if (id === FeatureId.NUMBER_OF_QUEUES) return this.#agree(value, hasQueues);
    if (id === FeatureId.POWER_MANAGEMENT && (value & 0x1f) !== 0) return failed(Status.INVALID_FIELD_IN_COMMAND);
    if (id === FeatureId.ARBITRATION) this.#burst = ARBITRATION.AB.get(Uint32Array.of(value));
    this.#current.set(keyOf(id, value), value);
    return { status: Status.SUCCESSFUL_COMPLETION };
  }

  get(words: Uint32Array): Answer {
    const id = FEATURES.FID.get(words);
    const select = FEATURES.SEL.get(words);
    const which = SQE.CDW11.get(words);
    const initial = this.#initial(id, which);
    if (initial === undefined || select > Select.SUPPORTED_CAPABILITIES) {
      return failed(Status.INVALID_FIELD_IN_COMMAND);
    }
    const status = Status.SUCCESSFUL_COMPLETION;
    if (select === Select.SUPPORTED_CAPABILITIES) return { status, result: CHANGEABLE };
    if (select !== Select.CURRENT) return { status, result: initial };
    return { status, result: this.#current.get(keyOf(id, which)) ?? initial };
  }

  #agree(asked: number, hasQueues: boolean): Answer {
    const words = Uint32Array.of(asked);
    if (NUMBER_OF_QUEUES.NSQ.get(words) === NOT_POSSIBLE || NUMBER_OF_QUEUES.NCQ.get(words) === NOT_POSSIBLE) {
      return failed(Status.INVALID_FIELD_IN_COMMAND);
    }
    if (hasQueues) return failed(Status.COMMAND_SEQUENCE_ERROR);
    return { status: Status.SUCCESSFUL_COMPLETION, result: this.#granted };
  }

  /** As many as there are, whatever is asked for. */
  get #granted(): number {
    return encode(NUMBER_OF_QUEUES, { NSQ: this.#queues - 1, NCQ: this.#queues - 1 })[0]!;
  }

  /** The value before anybody has set it; `undefined` for what is not a feature. `value` says of which vector or sensor. */
  #initial(id: number, value: number): number | undefined {
    switch (id) {
      case FeatureId.ARBITRATION:
        return DEFAULT_BURST;
      case FeatureId.NUMBER_OF_QUEUES:
        return this.#granted;
      case FeatureId.INTERRUPT_VECTOR_CONFIGURATION:
        return partOf(id, value) < this.#vectors ? partOf(id, value) : undefined;
      case FeatureId.POWER_MANAGEMENT:
      case FeatureId.TEMPERATURE_THRESHOLD:
      case FeatureId.ERROR_RECOVERY:
      case FeatureId.INTERRUPT_COALESCING:
      case FeatureId.WRITE_ATOMICITY_NORMAL:
      case FeatureId.ASYNCHRONOUS_EVENT_CONFIGURATION:
        return 0;
      default:
        return undefined;
    }
  }
}

/** Two features have a value for each vector or sensor. */
function partOf(id: number, value: number): number {
  if (id === FeatureId.INTERRUPT_VECTOR_CONFIGURATION) return value & 0xffff;
  return id === FeatureId.TEMPERATURE_THRESHOLD ? (value >>> 16) & 0x3f : 0;
}

function keyOf(id: number, value: number): number {
  return id * 0x1_0000 + partOf(id, value);
}
