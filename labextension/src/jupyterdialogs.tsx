/** The dialogs about the Jupyter servers of a host: how to start one, whether to end one. */

import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { JupyterServer, JupyterStart } from './api';
import { DialogBody, launch } from './dialogs';

/** How a person wants one started where none runs; null if they do not. */
export async function askToStart(
  host: string,
  trans: TranslationBundle
): Promise<JupyterStart | null> {
  const title = trans.__('Start a Jupyter on %1?', host);
  const { button, value } = await launch(() => {
    const dialog = new Dialog<JupyterStart>({
      title,
      body: new StartForm(host, trans),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: trans.__('Start') })
      ],
      focusNodeSelector: 'input'
    });
    dialog.addClass('jp-RemoteTunnel-dialog');
    dialog.node.setAttribute('aria-label', title);
    return dialog;
  });
  return button.accept ? value : null;
}

class StartForm extends DialogBody {
  constructor(
    private readonly _host: string,
    private readonly _trans: TranslationBundle
  ) {
    super();
  }

  getValue(): JupyterStart {
    const folder = this.node
      .querySelector<HTMLInputElement>('[type="text"]')!
      .value.trim();
    const { checked } =
      this.node.querySelector<HTMLInputElement>('[type="checkbox"]')!;
    return {
      host: this._host,
      ...(folder && { folder }),
      ...(checked && { keep: true })
    };
  }

  protected render(): JSX.Element {
    return (
      <StartFields
        host={this._host}
        trans={this._trans}
        onShown={() => this.shown()}
      />
    );
  }
}

function StartFields(props: {
  host: string;
  trans: TranslationBundle;
  onShown: () => void;
}): JSX.Element {
  const { host, onShown, trans } = props;
  React.useEffect(onShown, []);
  return (
    <div className="jp-RemoteTunnel-fields">
      <p>{trans.__('No Jupyter server of yours runs on %1.', host)}</p>
      <label>
        {trans.__('Its folder there (optional)')}
        <input
          type="text"
          className="jp-mod-styled"
          placeholder="~"
          autoComplete="off"
          spellCheck={false}
        />
      </label>
      <label className="jp-RemoteTunnel-check">
        <input type="checkbox" />
        {trans.__('Keep it running when its tunnel is closed')}
      </label>
    </div>
  );
}

/** Ask whether to end a server, whose kernels end with it. */
export async function confirmStop(
  host: string,
  server: JupyterServer,
  trans: TranslationBundle
): Promise<boolean> {
  const title = trans.__('End the Jupyter on %1?', host);
  const body = trans.__(
    'It is %1 in %2. Its kernels end with it, and what they hold is lost.',
    server.destination,
    server.root_dir
  );
  const buttons = [
    Dialog.cancelButton({ label: trans.__('Cancel') }),
    Dialog.warnButton({ label: trans.__('End') })
  ];
  const result = await launch(() => new Dialog({ title, body, buttons }));
  return result.button.accept;
}
