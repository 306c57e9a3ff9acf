/**
 * The dialog that adds a tunnel.
 *
 * It stays until the tunnel is open: whatever goes wrong, what was typed is there to be corrected.
 * Only while a host asks something, it makes room for that: JupyterLab shows one dialog at a time.
 */

import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Adding } from './adding';
import { OpenedTunnel, TunnelStatus } from './api';
import { DialogBody, launch } from './dialogs';
import { Fields } from './form';
import { FormFields } from './formfields';
import { HostBook } from './hosts';
import { ITunnelManager } from './tokens';

/**
 * Ask for a tunnel and open it; null if the person thought better of it.
 *
 * @param diagnose - called with a tunnel that failed and stays in the list, where they would rather
 * know why.
 */
export async function askForTunnel(
  manager: ITunnelManager,
  hosts: HostBook,
  initial: Fields,
  diagnose: (tunnel: TunnelStatus) => void,
  trans: TranslationBundle
): Promise<OpenedTunnel | null> {
  const adding = new Adding(manager, initial, trans);
  void hosts.refresh();
  let dialog: AddDialog;
  do {
    await launch(() => {
      dialog = new AddDialog(adding, manager, hosts, trans);
      return dialog;
    });
    if (dialog!.madeRoom) {
      await adding.questions();
    }
  } while (dialog!.madeRoom && !adding.opened);
  if (dialog!.toDiagnose) {
    diagnose(dialog!.toDiagnose);
  } else if (!adding.opened) {
    adding.giveUp();
  }
  return adding.opened;
}

// The place of the button among the buttons.
const OPEN = 1;

class AddDialog extends Dialog<void> {
  constructor(
    private readonly _adding: Adding,
    private readonly _manager: ITunnelManager,
    hosts: HostBook,
    trans: TranslationBundle
  ) {
    const title = trans.__('Add an SSH Tunnel');
    super({
      title,
      body: new TunnelForm(
        _adding,
        hosts,
        tunnel => {
          this.toDiagnose = tunnel;
          this.reject();
        },
        trans
      ),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: trans.__('Open') })
      ],
      focusNodeSelector: focusOf(_adding)
    });
    this.addClass('jp-RemoteTunnel-dialog');
    this.node.setAttribute('aria-label', title);
    _adding.changed.connect(this._look, this);
    _manager.changed.connect(this._look, this);
    this._look();
  }

  /** Whether it was closed for a question, and not by a person. */
  madeRoom = false;

  /** What failed, if a person closed the dialog to find out why. */
  toDiagnose: TunnelStatus | null = null;

  /** A button was pressed, or Enter. */
  override resolve(index = OPEN): void {
    if (index !== OPEN) {
      super.resolve(index);
    } else if (!this._button.disabled && !this._adding.isBusy) {
      void this._adding.open();
    }
  }

  override dispose(): void {
    this._adding.changed.disconnect(this._look, this);
    this._manager.changed.disconnect(this._look, this);
    super.dispose();
  }

  protected override _evtKeydown(event: KeyboardEvent): void {
    // JupyterLab 4.4 takes an Enter on any button for one of its own.
    const isLink =
      event.target instanceof HTMLElement &&
      event.target.classList.contains('jp-RemoteTunnel-link');
    if (!isLink || event.key !== 'Enter') {
      super._evtKeydown(event);
    }
  }

  private _look(): void {
    const { isBusy, opened } = this._adding;
    // Not `disabled`, which would take the focus away.
    this._button.setAttribute('aria-disabled', String(isBusy));
    this.madeRoom = isBusy && this._manager.prompts.length > 0;
    if (this.madeRoom || opened) {
      // The other way out is barred while a field is not filled in.
      this.reject();
    }
  }

  private get _button(): HTMLButtonElement {
    return this.node.querySelector('.jp-Dialog-button.jp-mod-accept')!;
  }
}

/** Where the dialog starts; while it is busy, what is typed shall go nowhere. */
function focusOf({ isBusy, mistake }: Adding): string {
  if (isBusy) {
    return '';
  }
  return mistake?.place ? '[aria-invalid="true"]' : '[data-first-field]';
}

class TunnelForm extends DialogBody {
  constructor(
    private readonly _adding: Adding,
    private readonly _hosts: HostBook,
    private readonly _diagnose: (tunnel: TunnelStatus) => void,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-RemoteTunnel-form');
    _adding.changed.connect(this._tell, this);
    _hosts.changed.connect(this.update, this);
  }

  override dispose(): void {
    this._adding.changed.disconnect(this._tell, this);
    this._hosts.changed.disconnect(this.update, this);
    super.dispose();
  }

  protected render(): JSX.Element {
    const { failed, fields, isBusy, mistake } = this._adding;
    return (
      <FormFields
        initial={fields}
        aliases={this._hosts.aliases}
        isBusy={isBusy}
        mistake={mistake}
        trans={this._trans}
        onDiagnose={failed && (() => this._diagnose(failed))}
        onChange={changed => {
          this._adding.fields = changed;
        }}
        onShown={() => this.shown()}
      />
    );
  }

  private _tell(): void {
    this.update();
    // To where the error is shown.
    this.node.scrollTop = 0;
  }
}
