/**
 * Keeps the list of tunnels like the server's.
 *
 * An event says only that something changed, so it makes the list be fetched again. Events can be
 * lost (a laptop that slept, a server that started again), so the list is also fetched on a slow
 * poll and when the page is looked at again.
 */

import { Event } from '@jupyterlab/services';
import { JSONExt, ReadonlyJSONValue } from '@lumino/coreutils';
import { IPoll, Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import { Application, OpenedTunnel, TunnelRequest, TunnelStatus } from './api';
import { TunnelAPI, TunnelError } from './restapi';
import { ITunnelManager } from './tokens';

const EVENT_SCHEMA =
  'https://schema.jupyter.org/jupyter_remote_tunnel/tunnel/v1';
const DEFAULT_INTERVAL = 10_000;

/** What one fetch brought. */
interface Snapshot {
  tunnels: TunnelStatus[];
  applications: Application[];
  offersOrigin: boolean;
  problem: TunnelError | null;
}

export class TunnelManager implements ITunnelManager {
  constructor(
    private readonly _api: TunnelAPI,
    events: Event.Stream
  ) {
    this._events = events;
    events.connect(this._onEvent, this);
    document.addEventListener('visibilitychange', this._onVisible);
    this._poll = new Poll({
      auto: false,
      name: 'jupyter-remote-tunnel:tunnels',
      factory: () => this.refresh(),
      // A failed fetch is shown, not thrown: the poll goes on at its pace.
      frequency: every(DEFAULT_INTERVAL),
      standby: 'when-hidden'
    });
    this.ready = this.refresh();
    void this.ready.then(() => this._wait());
  }

  readonly ready: Promise<void>;

  get tunnels(): readonly TunnelStatus[] {
    return this._snapshot.tunnels;
  }

  get applications(): readonly Application[] {
    return this._snapshot.applications;
  }

  get offersOrigin(): boolean {
    return this._snapshot.offersOrigin;
  }

  get problem(): TunnelError | null {
    return this._snapshot.problem;
  }

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
    this._events.disconnect(this._onEvent, this);
    document.removeEventListener('visibilitychange', this._onVisible);
    Signal.clearData(this);
  }

  /** How often to look without being told, in seconds. */
  setInterval(seconds: number): void {
    this._poll.frequency = every(seconds * 1000);
    this._wait();
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

  async open(request: TunnelRequest): Promise<OpenedTunnel> {
    try {
      return await this._api.open(request);
    } finally {
      await this.refresh();
    }
  }

  async restart(id: string): Promise<void> {
    try {
      await this._api.restart(id);
    } finally {
      await this.refresh();
    }
  }

  async close(id: string): Promise<void> {
    try {
      await this._api.close(id);
    } finally {
      await this.refresh();
    }
  }

  /** Let the slow poll look after its whole interval. */
  private _wait(): void {
    void this._poll.schedule({ phase: 'resolved' });
  }

  private _start(): Promise<void> {
    this._running = this._fetch().finally(() => {
      this._running = null;
    });
    return this._running;
  }

  private async _fetch(): Promise<void> {
    const snapshot = await this._ask();
    if (this.isDisposed || equal(this._snapshot, snapshot)) {
      return;
    }
    this._snapshot = snapshot;
    this._changed.emit();
  }

  private async _ask(): Promise<Snapshot> {
    try {
      const [tunnels, { apps, views }] = await Promise.all([
        this._api.tunnels(true),
        this._api.applications(true)
      ]);
      return {
        tunnels,
        applications: apps,
        offersOrigin: views.origin,
        problem: null
      };
    } catch (error) {
      // The last list stays, with the reason why it may be old.
      return { ...this._snapshot, problem: error as TunnelError };
    }
  }

  private _onEvent(_: Event.IManager, emission: Event.Emission): void {
    if (emission.schema_id === EVENT_SCHEMA) {
      void this.refresh();
    }
  }

  private _onVisible = (): void => {
    if (document.visibilityState === 'visible') {
      void this.refresh();
    }
  };

  private readonly _events: Event.Stream;
  private readonly _poll: Poll;
  private readonly _changed = new Signal<this, void>(this);
  private _running: Promise<void> | null = null;
  private _waiting: Promise<void> | null = null;
  private _snapshot: Snapshot = {
    tunnels: [],
    applications: [],
    offersOrigin: false,
    problem: null
  };
}

/** A steady pace, in milliseconds. */
function every(interval: number): IPoll.Frequency {
  return { interval, backoff: false, max: interval };
}

function equal(one: Snapshot, other: Snapshot): boolean {
  const { problem: first, ...before } = one;
  const { problem: second, ...after } = other;
  return (
    first?.message === second?.message &&
    JSONExt.deepEqual(
      before as unknown as ReadonlyJSONValue,
      after as unknown as ReadonlyJSONValue
    )
  );
}
