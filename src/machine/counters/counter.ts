/** A performance counter of a real IOMMU, under the name that Linux's perf gives it, and what of the model it reads. */
export interface CounterInfo {
  /** As in `perf stat -e dmar0/NAME/`. */
  readonly name: string;
  /** When the model counts it; of one without counterpart, why not. */
  readonly meaning: string;
  /** The model's event; null where there is no counterpart. */
  readonly event: number | null;
}

/** The counters of one vendor's units. */
export interface CounterTable {
  /** The PMU, without the number of the unit. */
  readonly pmu: (unit: number) => string;
  /** Where the names and their numbers stand. */
  readonly sources: readonly string[];
  readonly counters: readonly CounterInfo[];
}

/** What a counter has come to, as plain data. */
export interface CounterValue {
  /** With its PMU, as perf writes it. */
  readonly name: string;
  readonly meaning: string;
  /** Null where the model has no counterpart. */
  readonly count: number | null;
}

export function readCounters({ pmu, counters }: CounterTable, of: (event: number) => number): CounterValue[] {
  return counters.map(({ name, meaning, event }) => {
    return { name: `${pmu(0)}/${name}/`, meaning, count: event === null ? null : of(event) };
  });
}
