/** How far something is that takes its time, and how long it will take still. */

const WIDTH = 30;
/** Milliseconds between two lines. */
const INTERVAL = 100;

export class Progress {
  readonly #total: number;
  readonly #show: (line: string | null) => void;
  readonly #clock: () => number;
  readonly #start: number;
  #done = 0;
  #shown = -Infinity;

  /** `show` gets a line in place of the one before; `null` at the end. */
  constructor(total: number, show: (line: string | null) => void, clock: () => number = Date.now) {
    this.#total = total;
    this.#show = show;
    this.#clock = clock;
    this.#start = clock();
  }

  step(): void {
    const now = this.#clock();
    this.#done++;
    if (now - this.#shown < INTERVAL && this.#done < this.#total) return;
    this.#shown = now;
    const share = this.#done / this.#total;
    const bar = '#'.repeat(Math.floor(share * WIDTH)).padEnd(WIDTH);
    const left = ((now - this.#start) / this.#done) * (this.#total - this.#done);
    this.#show(`[${bar}] ${this.#done} of ${this.#total}, ${formatLeft(left)} left`);
  }

  end(): void {
    this.#show(null);
  }
}

function formatLeft(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
