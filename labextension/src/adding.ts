/** What was typed for a tunnel and what becomes of it, whether its dialog is there or not. */

import { TranslationBundle } from '@jupyterlab/translation';
import { ISignal, Signal } from '@lumino/signaling';

import { OpenedTunnel, TunnelStatus } from './api';
import { Fields, toRequest } from './form';
import { explain, misread, Mistake } from './mistakes';
import { Opening } from './opening';
import { quiet } from './quiet';
import { TunnelError } from './restapi';
import { ITunnelManager } from './tokens';

export class Adding {
  constructor(
    private readonly _manager: ITunnelManager,
    public fields: Fields,
    private readonly _trans: TranslationBundle
  ) {}

  /** Whether the tunnel is being opened. */
  isBusy = false;

  /** Why the last try failed. */
  mistake: Mistake | null = null;

  /** What came of it. */
  opened: OpenedTunnel | null = null;

  /** The row of what failed, if there is one. */
  get failed(): TunnelStatus | null {
    const row = this._opening?.row;
    return row?.state === 'failed' ? row : null;
  }

  /** One of the first three is another one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Open what was typed; never fails. */
  open(): Promise<void> {
    this._tried = this._try();
    return this._tried;
  }

  /** Nobody wants what is being opened, nor the row of what failed: the reason was shown. */
  giveUp(): void {
    this._isOver = true;
    if (this.isBusy) {
      void this._opening?.giveUp();
    } else {
      void this._opening?.dismiss();
    }
  }

  /** Fulfilled when the hosts ask nothing, and not at once again, or the try is over. */
  questions(): Promise<void> {
    return quiet(this._manager, () => this.isBusy, this._tried);
  }

  private async _try(): Promise<void> {
    this._tell(true, null);
    // The row of a try before would stay in the list, beside that of this one.
    await this._opening?.dismiss();
    if (this._isOver) {
      return;
    }
    const { fields } = this;
    const mistake = misread(fields, this._trans);
    if (mistake) {
      this._opening = null;
      this._tell(false, mistake);
      return;
    }
    this._opening = new Opening(this._manager, toRequest(fields));
    try {
      this.opened = await this._opening.result;
      this._tell(false, null);
    } catch (error) {
      const why = explain(fields, error as TunnelError, this._trans);
      this._tell(false, why);
    }
  }

  private _tell(isBusy: boolean, mistake: Mistake | null): void {
    this.isBusy = isBusy;
    this.mistake = mistake;
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _isOver = false;
  private _opening: Opening | null = null;
  private _tried = Promise.resolve();
}
