/** Actions of which no more than a number are under way; the others wait, in their order. */
export class Turns {
  constructor(private _free: number) {}

  async take<T>(action: () => Promise<T>): Promise<T> {
    if (this._free > 0) {
      this._free--;
    } else {
      await new Promise<void>(resolve => this._waiting.push(resolve));
    }
    try {
      return await action();
    } finally {
      const next = this._waiting.shift();
      if (next) {
        next();
      } else {
        this._free++;
      }
    }
  }

  private readonly _waiting: (() => void)[] = [];
}
