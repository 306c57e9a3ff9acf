/**
 * The dialog that publishes this Jupyter.
 *
 * It stays until it is published: whatever fails, what was typed and found is there. Only while the
 * gateway asks something, it makes room for that: JupyterLab shows one dialog at a time.
 */

import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Publication } from './api';
import { DialogBody, launch } from './dialogs';
import { HostBook } from './hosts';
import { PublishForm } from './publishform';
import { Publishing } from './publishing';
import { quiet } from './quiet';
import { IPublicationManager, ITunnelManager } from './tokens';

export interface PublishDialogOptions {
  manager: ITunnelManager;
  publications: IPublicationManager;
  hosts: HostBook;
  trans: TranslationBundle;
}

/** Let a person publish this Jupyter; null if they thought better of it. */
export async function askToPublish(
  publishing: Publishing,
  options: PublishDialogOptions
): Promise<Publication | null> {
  void options.hosts.refresh();
  let dialog: PublishDialog;
  do {
    await launch(() => {
      dialog = new PublishDialog(publishing, options);
      return dialog;
    });
    if (dialog!.madeRoom) {
      const { manager } = options;
      await quiet(manager, () => publishing.isBusy, publishing.over);
    }
  } while (dialog!.madeRoom && !publishing.published);
  publishing.cancel();
  return publishing.published;
}

// The places of the buttons.
const CHECK = 1;
const PUBLISH = 2;

class PublishDialog extends Dialog<void> {
  constructor(
    private readonly _publishing: Publishing,
    private readonly _options: PublishDialogOptions
  ) {
    const { trans } = _options;
    const title = trans.__('Publish This Jupyter');
    super({
      title,
      body: new PublishBody(_publishing, _options),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: trans.__('Check') }),
        Dialog.warnButton({ label: trans.__('Publish') })
      ],
      // What is found is looked at before anything is opened.
      defaultButton: CHECK,
      focusNodeSelector: _publishing.isBusy ? '' : 'input'
    });
    this.addClass('jp-RemoteTunnel-dialog');
    this.node.setAttribute('aria-label', title);
    _publishing.changed.connect(this._look, this);
    _options.manager.changed.connect(this._look, this);
    this._look();
  }

  /** Whether it was closed for a question, and not by a person. */
  madeRoom = false;

  /** A button was pressed, or Enter. */
  override resolve(index = CHECK): void {
    if (index !== CHECK && index !== PUBLISH) {
      super.resolve(index);
    } else if (!this._button(index).disabled && !this._publishing.isBusy) {
      void (index === CHECK
        ? this._publishing.check()
        : this._publishing.publish());
    }
  }

  override dispose(): void {
    this._publishing.changed.disconnect(this._look, this);
    this._options.manager.changed.disconnect(this._look, this);
    super.dispose();
  }

  protected override _evtKeydown(event: KeyboardEvent): void {
    // The buttons of the form and that of the password have an Enter of their own.
    const isTheirs =
      event.target instanceof HTMLElement &&
      event.target.closest('form, summary, .jp-Dialog-body button') !== null;
    if (!isTheirs || event.key !== 'Enter') {
      super._evtKeydown(event);
    }
  }

  private _look(): void {
    const { isBusy, isReady, published } = this._publishing;
    // Not `disabled`, which would take the focus away.
    this._button(CHECK).setAttribute('aria-disabled', String(isBusy));
    this._button(PUBLISH).setAttribute('aria-disabled', String(!isReady));
    this.madeRoom = isBusy && this._options.manager.prompts.length > 0;
    if (this.madeRoom || published) {
      // The other ways out are barred while a field is not filled in.
      this.reject();
    }
  }

  private _button(index: number): HTMLButtonElement {
    return this.node.querySelectorAll<HTMLButtonElement>('.jp-Dialog-button')[
      index
    ]!;
  }
}

class PublishBody extends DialogBody {
  constructor(
    private readonly _publishing: Publishing,
    private readonly _options: PublishDialogOptions
  ) {
    super();
    this.addClass('jp-RemoteTunnel-form');
    this.addClass('jp-RemoteTunnel-publish');
    _publishing.changed.connect(this.update, this);
    _options.hosts.changed.connect(this.update, this);
  }

  override dispose(): void {
    this._publishing.changed.disconnect(this.update, this);
    this._options.hosts.changed.disconnect(this.update, this);
    super.dispose();
  }

  protected render(): JSX.Element {
    const { hosts, publications, trans } = this._options;
    return (
      <PublishForm
        publishing={this._publishing}
        ways={publications.ways}
        aliases={hosts.aliases}
        trans={trans}
        onShown={() => this.shown()}
      />
    );
  }
}
