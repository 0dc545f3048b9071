/** A queue that allocates only to grow. */
export class Ring<T> {
  #items: (T | undefined)[] = new Array<T | undefined>(16).fill(undefined);
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Nothing when it is empty. */
  get first(): T | undefined {
    return this.#items[this.#first];
  }

  /** The one that has so many before it. */
  at(index: number): T {
    return this.#items[(this.#first + index) & (this.#items.length - 1)] as T;
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#first + this.#length++) & (this.#items.length - 1)] = item;
  }

  shift(): T {
    const item = this.#items[this.#first] as T;
    this.#items[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#items.length - 1);
    this.#length--;
    return item;
  }

  clear(): void {
    this.#items.fill(undefined);
    this.#first = 0;
    this.#length = 0;
  }

  #grow(): void {
    const inOrder = [...this.#items.slice(this.#first), ...this.#items.slice(0, this.#first)];
    this.#items = [...inOrder, ...new Array<undefined>(inOrder.length).fill(undefined)];
    this.#first = 0;
  }
}
