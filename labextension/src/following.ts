/**
 * Keeps a copy of something that the server knows.
 *
 * An event says only that something changed, so it makes all of it be fetched again. Events can be
 * lost (a laptop that slept, a server that started again), so it is also fetched on a slow poll and
 * when the page is looked at again; on a quicker one while somebody watches.
 */

import { Event } from '@jupyterlab/services';
import { JSONExt, ReadonlyJSONValue } from '@lumino/coreutils';
import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { IPoll, Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import { TunnelError } from './restapi';

const DEFAULT_INTERVAL = 10_000;
// Nobody tells of each byte: while somebody looks on, they are asked for.
const WATCHED_INTERVAL = 1500;

/** What a fetch brings: plain JSON, and why it is not up to date. */
export interface Fetched {
  problem: TunnelError | null;
}

export interface FollowingOptions<T extends Fetched> {
  /** What the poll is called. */
  name: string;
  events: Event.Stream;
  /** Not fetched before this is fulfilled, unless somebody wants it earlier. */
  when: Promise<unknown>;
  /** Of the events after which it is fetched again. */
  schema: string;
  /** What there is before it was fetched. */
  first: T;
  /** Fetch it; never fails, but gives what is left of the last one and why. */
  ask: (last: T) => Promise<T>;
}

export class Following<T extends Fetched> implements IDisposable {
  constructor(options: FollowingOptions<T>) {
    const { events, first, name, when } = options;
    this._options = options;
    this._value = first;
    events.connect(this._onEvent, this);
    document.addEventListener('visibilitychange', this._onVisible);
    this._poll = new Poll({
      auto: false,
      name,
      factory: () => this.refresh(),
      // A failed fetch is shown, not thrown: the poll goes on at its pace.
      frequency: every(DEFAULT_INTERVAL),
      standby: 'when-hidden'
    });
    void when.then(() => this._begin());
  }

  /** Fulfilled when it was fetched once; who asks for this has it fetched. */
  get ready(): Promise<void> {
    return this._first ?? this.refresh();
  }

  /** Why it is not up to date. */
  get problem(): TunnelError | null {
    return this._value.problem;
  }

  /** It is another one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._poll.dispose();
    this._options.events.disconnect(this._onEvent, this);
    document.removeEventListener('visibilitychange', this._onVisible);
    Signal.clearData(this);
  }

  /** How often to look without being told while nobody watches, in seconds. */
  setInterval(seconds: number): void {
    this._interval = seconds * 1000;
    this._setPace();
  }

  /** Look often, until what this gives is disposed of. */
  watch(): IDisposable {
    this._watching += 1;
    void this.refresh();
    this._setPace();
    return new DisposableDelegate(() => {
      this._watching -= 1;
      this._setPace();
    });
  }

  /**
   * At most one fetch is under way and one waits: whatever happens during a fetch is seen by the
   * next, and answers never overtake each other.
   */
  refresh(): Promise<void> {
    if (this._waiting) {
      return this._waiting;
    }
    if (this._running) {
      this._waiting = this._running.then(() => {
        this._waiting = null;
        return this._start();
      });
      return this._waiting;
    }
    return this._start();
  }

  /** What was fetched last. */
  protected get value(): T {
    return this._value;
  }

  /** Do what changes it, and have that. */
  protected async refreshed<R>(action: () => Promise<R>): Promise<R> {
    try {
      return await action();
    } finally {
      await this.refresh();
    }
  }

  private _setPace(): void {
    if (this.isDisposed) {
      return;
    }
    this._poll.frequency = every(
      this._watching > 0
        ? Math.min(WATCHED_INTERVAL, this._interval)
        : this._interval
    );
    this._wait();
  }

  /** Let the slow poll look after its whole interval. */
  private _wait(): void {
    void this._poll.schedule({ phase: 'resolved' });
  }

  private async _begin(): Promise<void> {
    if (!this.isDisposed) {
      await this.ready;
      this._wait();
    }
  }

  private _start(): Promise<void> {
    this._running = this._fetch().finally(() => {
      this._running = null;
    });
    this._first ??= this._running;
    return this._running;
  }

  private async _fetch(): Promise<void> {
    const value = await this._options.ask(this._value);
    if (this.isDisposed || isEqual(this._value, value)) {
      return;
    }
    this._value = value;
    this._changed.emit();
  }

  private _onEvent(_: Event.IManager, emission: Event.Emission): void {
    if (emission.schema_id === this._options.schema) {
      void this.refresh();
    }
  }

  private _onVisible = (): void => {
    if (document.visibilityState === 'visible') {
      void this.refresh();
    }
  };

  private readonly _options: FollowingOptions<T>;
  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private _interval = DEFAULT_INTERVAL;
  private _watching = 0;
  private _first: Promise<void> | null = null;
  private _running: Promise<void> | null = null;
  private _waiting: Promise<void> | null = null;
  private _value: T;
}

/** A steady pace, in milliseconds. */
function every(interval: number): IPoll.Frequency {
  return { interval, backoff: false, max: interval };
}

function isEqual(one: Fetched, other: Fetched): boolean {
  const { problem: first, ...before } = one;
  const { problem: second, ...after } = other;
  return (
    first?.message === second?.message &&
    JSONExt.deepEqual(before as ReadonlyJSONValue, after as ReadonlyJSONValue)
  );
}
