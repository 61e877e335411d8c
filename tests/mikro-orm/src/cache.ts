/** One value for each reader, for a time. What is being computed when its reader is dropped is not kept. */
export class ReaderCache<Value> {
  private readonly entries = new Map<bigint, Entry<Value>>();
  private open = false;

  constructor(
    private readonly lifetime: number,
    private readonly most: number,
  ) {}

  /**
   * The value under `key` for the reader, computed if it is not here. Of several calls at a time one computes. `keep` says
   * whether a computed value may be given again.
   */
  async get(
    reader: bigint,
    key: string,
    compute: () => Promise<Value>,
    keep: (value: Value) => boolean,
  ): Promise<{ value: Value; cached: boolean }> {
    if (!this.open) {
      return { value: await compute(), cached: false };
    }
    const found = this.entries.get(reader);
    if (found && found.key === key && found.until > Date.now()) {
      return { value: await found.value, cached: true };
    }
    const entry = { key, until: Date.now() + this.lifetime, value: compute() };
    this.put(reader, entry);
    try {
      const value = await entry.value;
      if (!keep(value)) {
        this.remove(reader, entry);
      }
      return { value, cached: false };
    } catch (error) {
      this.remove(reader, entry);
      throw error;
    }
  }

  drop(reader: bigint): void {
    this.entries.delete(reader);
  }

  clear(): void {
    this.entries.clear();
  }

  /** Only an open cache keeps: it is closed while nobody can tell it of changes. */
  setOpen(open: boolean): void {
    this.open = open;
    this.clear();
  }

  get size(): number {
    return this.entries.size;
  }

  private put(reader: bigint, entry: Entry<Value>): void {
    // Deleted first, so that a Map, which keeps the order of insertion, has the oldest entry first.
    this.entries.delete(reader);
    this.entries.set(reader, entry);
    if (this.entries.size > this.most) {
      const [oldest] = this.entries.keys();
      this.entries.delete(oldest!);
    }
  }

  private remove(reader: bigint, entry: Entry<Value>): void {
    if (this.entries.get(reader) === entry) {
      this.entries.delete(reader);
    }
  }
}

interface Entry<Value> {
  key: string;
  until: number;
  value: Promise<Value>;
}
