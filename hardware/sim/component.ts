/** What every component of a machine looks like from outside. */

/** A part of a machine: what it was built from, what it holds now, and how to make it new. */
export interface Component<Spec, State> {
  readonly name: string;
  /** What it was built from: plain JSON, never changed. */
  readonly spec: Spec;
  /** What it holds now, as plain JSON: no function, no reference to another component. */
  readonly state: State;
  /** Returns to the state it was built in. */
  reset(): void;
}
