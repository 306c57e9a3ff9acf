/** A walk to a host, step by step: what it is for, whether it is under way, and what came of it. */

import { ISignal, Signal } from '@lumino/signaling';

import { Diagnosis, Step, TunnelStatus } from './api';
import { TunnelAPI, TunnelError } from './restapi';
import { ITunnelManager } from './tokens';

export class Walk {
  /**
   * @param host - as it is shown.
   * @param tunnel - the one for which somebody wants to know it, if any.
   */
  constructor(
    private readonly _api: Pick<TunnelAPI, 'doctor'>,
    private readonly _manager: ITunnelManager,
    readonly host: string,
    readonly tunnel: TunnelStatus | null = null
  ) {}

  /** Whether the host is to listen on all its interfaces for a moment, the next time. */
  gatewayPorts = false;

  /** What was found up to now. */
  get steps(): readonly Step[] {
    return this._diagnosis?.steps ?? this._steps;
  }

  /** What was found at last. */
  get diagnosis(): Diagnosis | null {
    return this._diagnosis;
  }

  /** Why nothing was found. */
  get error(): TunnelError | null {
    return this._error;
  }

  get isBusy(): boolean {
    return this._running !== null;
  }

  /** Whether somebody ended it before it was over. */
  get isCancelled(): boolean {
    return this._isCancelled;
  }

  /** One of the last five is another one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Walk, and go on until that is over; never fails. */
  async start(): Promise<void> {
    if (this._running) {
      return;
    }
    const running = new AbortController();
    this._running = running;
    this._diagnosis = this._error = null;
    this._steps = [];
    this._isCancelled = false;
    this._changed.emit();
    // A hop may ask something: nobody waits for long for a question of which no event told.
    const watch = this._manager.watch();
    try {
      this._diagnosis = await this._api.doctor(
        {
          ...(this.tunnel ? { tunnel: this.tunnel.id } : { host: this.host }),
          gateway_ports: this.gatewayPorts
        },
        running.signal,
        step => {
          this._steps = [...this._steps, step];
          this._changed.emit();
        }
      );
    } catch (error) {
      this._isCancelled = running.signal.aborted;
      this._error = this._isCancelled ? null : (error as TunnelError);
    } finally {
      watch.dispose();
      this._running = null;
      this._changed.emit();
      // What was asked is so no more.
      void this._manager.refresh();
    }
  }

  /** End it. */
  cancel(): void {
    this._running?.abort();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _steps: readonly Step[] = [];
  private _diagnosis: Diagnosis | null = null;
  private _error: TunnelError | null = null;
  private _isCancelled = false;
  private _running: AbortController | null = null;
}
