/**
 * The dialog that adds a tunnel.
 *
 * It stays until the tunnel is open: whatever goes wrong, what was typed is there to be corrected.
 */

import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { PromiseDelegate } from '@lumino/coreutils';
import { Message } from '@lumino/messaging';
import * as React from 'react';

import { OpenedTunnel } from './api';
import { launch } from './dialogs';
import { Fields, toRequest } from './form';
import { FormFields } from './formfields';
import { explain, misread, Mistake } from './mistakes';
import { Opening } from './opening';
import { TunnelError } from './restapi';
import { ITunnelManager } from './tokens';

/** Ask for a tunnel and open it; null if the person thought better of it. */
export async function askForTunnel(
  manager: ITunnelManager,
  initial: Fields,
  trans: TranslationBundle
): Promise<OpenedTunnel | null> {
  let dialog: AddDialog;
  await launch(() => {
    dialog = new AddDialog(manager, new TunnelForm(initial, trans), trans);
    return dialog;
  });
  if (!dialog!.opened) {
    dialog!.giveUp();
  }
  return dialog!.opened;
}

// The place of the button among the buttons.
const OPEN = 1;

class AddDialog extends Dialog<void> {
  constructor(
    private readonly _manager: ITunnelManager,
    private readonly _form: TunnelForm,
    private readonly _trans: TranslationBundle
  ) {
    super({
      title: _trans.__('Add an SSH Tunnel'),
      body: _form,
      buttons: [
        Dialog.cancelButton({ label: _trans.__('Cancel') }),
        Dialog.okButton({ label: _trans.__('Open') })
      ],
      focusNodeSelector: '[data-first-field]'
    });
    this.addClass('jp-RemoteTunnel-dialog');
  }

  /** What came of it. */
  opened: OpenedTunnel | null = null;

  /** A button was pressed, or Enter. */
  override resolve(index = OPEN): void {
    if (index !== OPEN) {
      super.resolve(index);
    } else if (!this._button.disabled && !this._form.isBusy) {
      void this._open();
    }
  }

  /** Nobody wants what is being opened, nor the row of what failed: the reason was shown here. */
  giveUp(): void {
    if (this._form.isBusy) {
      void this._opening?.giveUp();
    } else {
      void this._opening?.dismiss();
    }
  }

  private async _open(): Promise<void> {
    this._tell(true, null);
    // The row of a try before would stay in the list, beside that of this one.
    await this._opening?.dismiss();
    if (this.isDisposed) {
      return;
    }
    const { fields } = this._form;
    const mistake = misread(fields, this._trans);
    if (mistake) {
      this._opening = null;
      this._tell(false, mistake);
      return;
    }
    this._opening = new Opening(this._manager, toRequest(fields));
    try {
      this.opened = await this._opening.result;
      // Closes it; the other way out is barred while a field is not filled in.
      this.reject();
    } catch (error) {
      const why = explain(fields, error as TunnelError, this._trans);
      this._tell(false, why);
    }
  }

  private _tell(isBusy: boolean, mistake: Mistake | null): void {
    if (!this.isDisposed) {
      // Not `disabled`, which would take the focus away.
      this._button.setAttribute('aria-disabled', String(isBusy));
      this._form.tell(isBusy, mistake);
    }
  }

  private get _button(): HTMLButtonElement {
    return this.node.querySelector('.jp-Dialog-button.jp-mod-accept')!;
  }

  private _opening: Opening | null = null;
}

class TunnelForm extends ReactWidget {
  constructor(
    public fields: Fields,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-RemoteTunnel-form');
  }

  /** Whether the tunnel is being opened. */
  isBusy = false;

  /** @param mistake - why the last try failed. */
  tell(isBusy: boolean, mistake: Mistake | null): void {
    this.isBusy = isBusy;
    this._mistake = mistake;
    this.update();
    // To where the error is shown.
    this.node.scrollTop = 0;
  }

  protected override onUpdateRequest(msg: Message): void {
    super.onUpdateRequest(msg);
    // The dialog moves the focus then. Its own promise waits until the page is idle: somebody may
    // be typing by that time.
    this.renderPromise = this._shown.promise;
  }

  protected render(): JSX.Element {
    return (
      <FormFields
        initial={this.fields}
        isBusy={this.isBusy}
        mistake={this._mistake}
        trans={this._trans}
        onChange={fields => {
          this.fields = fields;
        }}
        onShown={() => this._shown.resolve()}
      />
    );
  }

  private _mistake: Mistake | null = null;
  private readonly _shown = new PromiseDelegate<void>();
}
