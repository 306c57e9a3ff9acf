/** Asking for a host. The aliases are offered; any other may be typed. */

import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Host } from './api';
import { DialogBody, launch } from './dialogs';
import { HostBook, wayOf } from './hosts';

/** What a field offers that has this `id` as its list. */
export function HostOptions(props: {
  id: string;
  aliases: readonly Host[];
}): JSX.Element {
  return (
    <datalist id={props.id}>
      {props.aliases.map(host => (
        <option key={host.host} value={host.host}>
          {wayOf(host)}
        </option>
      ))}
    </datalist>
  );
}

/** The host that a person chooses to `accept`; null if they thought better of it. */
export async function askForHost(
  hosts: HostBook,
  title: string,
  accept: string,
  trans: TranslationBundle
): Promise<string | null> {
  const { button, value } = await launch(() => {
    const dialog = new Dialog<string>({
      title,
      body: new HostForm(hosts, trans),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: accept })
      ],
      focusNodeSelector: 'input'
    });
    dialog.addClass('jp-RemoteTunnel-dialog');
    dialog.node.setAttribute('aria-label', title);
    return dialog;
  });
  return (button.accept && value) || null;
}

class HostForm extends DialogBody {
  constructor(
    private readonly _hosts: HostBook,
    private readonly _trans: TranslationBundle
  ) {
    super();
    _hosts.changed.connect(this.update, this);
  }

  override dispose(): void {
    this._hosts.changed.disconnect(this.update, this);
    super.dispose();
  }

  getValue(): string {
    return this.node.querySelector('input')!.value.trim();
  }

  protected render(): JSX.Element {
    return (
      <HostField
        aliases={this._hosts.aliases}
        trans={this._trans}
        onShown={() => this.shown()}
      />
    );
  }
}

function HostField(props: {
  aliases: readonly Host[];
  trans: TranslationBundle;
  onShown: () => void;
}): JSX.Element {
  const { aliases, onShown, trans } = props;
  const root = React.useRef<HTMLDivElement>(null);
  const list = React.useId();
  React.useEffect(() => {
    // The dialog looks whether all is filled in when something is typed.
    root.current!.dispatchEvent(new Event('input', { bubbles: true }));
    onShown();
  }, []);
  return (
    <div className="jp-RemoteTunnel-fields" ref={root}>
      <label>
        {trans.__('Remote host')}
        <input
          type="text"
          className="jp-mod-styled"
          required
          pattern=".*\S.*"
          placeholder="user@gpu01"
          autoComplete="off"
          spellCheck={false}
          list={list}
        />
      </label>
      <HostOptions id={list} aliases={aliases} />
    </div>
  );
}
