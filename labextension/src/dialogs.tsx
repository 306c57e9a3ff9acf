/** The dialogs: add a tunnel, confirm a close, choose one of several, say what went wrong. */

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { PromiseDelegate } from '@lumino/coreutils';
import { Message } from '@lumino/messaging';
import * as React from 'react';

import { TunnelStatus } from './api';
import { Fields } from './form';
import { TunnelError } from './restapi';

/** Ask for a tunnel; null if the person thought better of it. */
export async function askForTunnel(
  initial: Fields,
  error: TunnelError | null,
  trans: TranslationBundle
): Promise<Fields | null> {
  const body = new TunnelForm(initial, error, trans);
  const result = await showDialog({
    title: trans.__('Add an SSH Tunnel'),
    body,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Open') })
    ],
    focusNodeSelector: '[data-first-field]'
  });
  return result.button.accept ? result.value : null;
}

/** Ask whether to close tunnels through which something may still flow. */
export async function confirmClose(
  tunnels: readonly TunnelStatus[],
  trans: TranslationBundle
): Promise<boolean> {
  const streams = tunnels
    .flatMap(tunnel => tunnel.forwards)
    .reduce((sum, forward) => sum + forward.streams.open, 0);
  const title =
    tunnels.length === 1
      ? trans.__('Close the tunnel %1?', tunnels[0]!.name)
      : trans.__('Close %1 tunnels?', tunnels.length);
  const result = await showDialog({
    title,
    body:
      streams > 0
        ? trans._n(
            '%1 stream is open through it and will be cut.',
            '%1 streams are open through it and will be cut.',
            streams
          )
        : trans.__('What uses it loses its connection.'),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('Close') })
    ]
  });
  return result.button.accept;
}

/** Let a person choose one; null if they chose none. One alone needs no question. */
export async function choose<T>(
  items: readonly T[],
  label: (item: T) => string,
  title: string,
  trans: TranslationBundle
): Promise<T | null> {
  if (items.length < 2) {
    return items[0] ?? null;
  }
  const labels = items.map(label);
  const result = await InputDialog.getItem({
    title,
    items: labels,
    okLabel: trans.__('Choose'),
    cancelLabel: trans.__('Cancel')
  });
  return result.value === null ? null : items[labels.indexOf(result.value)]!;
}

/** Say what went wrong and what to do next. */
export async function showError(
  title: string,
  error: TunnelError,
  trans: TranslationBundle
): Promise<void> {
  await showDialog({
    title,
    body: ReactWidget.create(<Explanation error={error} />),
    buttons: [Dialog.okButton({ label: trans.__('Dismiss') })]
  });
}

/** A message and its hint, as plain text. */
export function Explanation(props: {
  error: { message: string; hint: string };
}): JSX.Element {
  const { message, hint } = props.error;
  return (
    <div className="jp-RemoteTunnel-error" role="alert">
      <p>{message}</p>
      {hint && <p className="jp-RemoteTunnel-hint">{hint}</p>}
    </div>
  );
}

class TunnelForm extends ReactWidget implements Dialog.IBodyWidget<Fields> {
  constructor(
    private _fields: Fields,
    private readonly _error: TunnelError | null,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-RemoteTunnel-form');
  }

  getValue(): Fields {
    return this._fields;
  }

  protected override onUpdateRequest(msg: Message): void {
    super.onUpdateRequest(msg);
    // The dialog moves the focus then. Its own promise waits until the page is idle: somebody may
    // be typing by that time.
    this.renderPromise = this._shown.promise;
  }

  protected render(): JSX.Element {
    return (
      <>
        {this._error && <Explanation error={this._error} />}
        <FormFields
          initial={this._fields}
          trans={this._trans}
          onChange={fields => {
            this._fields = fields;
          }}
          onShown={() => this._shown.resolve()}
        />
      </>
    );
  }

  private readonly _shown = new PromiseDelegate<void>();
}

function FormFields(props: {
  initial: Fields;
  trans: TranslationBundle;
  onChange: (fields: Fields) => void;
  onShown: () => void;
}): JSX.Element {
  const { trans, onShown } = props;
  React.useEffect(onShown, []);
  const [fields, setFields] = React.useState(props.initial);
  const set = (change: Partial<Fields>): void => {
    const next = { ...fields, ...change };
    setFields(next);
    props.onChange(next);
  };
  const mode = (value: Fields['mode'], label: string): JSX.Element => (
    <label>
      <input
        type="radio"
        name="jp-RemoteTunnel-mode"
        checked={fields.mode === value}
        onChange={() => set({ mode: value })}
      />
      {label}
    </label>
  );
  return (
    <>
      <div className="jp-RemoteTunnel-modes" role="radiogroup">
        {mode('command', trans.__('Paste a command'))}
        {mode('fields', trans.__('Fill in the parts'))}
      </div>
      {fields.mode === 'command' ? (
        <CommandField fields={fields} set={set} trans={trans} />
      ) : (
        <PartFields fields={fields} set={set} trans={trans} />
      )}
      <TextField
        label={trans.__('Name (optional)')}
        value={fields.name}
        onChange={name => set({ name })}
      />
      <label className="jp-RemoteTunnel-check">
        <input
          type="checkbox"
          checked={fields.pick}
          onChange={event => set({ pick: event.target.checked })}
        />
        {trans.__('If the local port is taken, use another one')}
      </label>
    </>
  );
}

interface PartProps {
  fields: Fields;
  set: (change: Partial<Fields>) => void;
  trans: TranslationBundle;
}

function CommandField({ fields, set, trans }: PartProps): JSX.Element {
  return (
    <TextField
      first
      label={trans.__('A command of ssh, or user@host:port')}
      placeholder="ssh -NfL 5006:localhost:5006 user@gpu01"
      value={fields.command}
      onChange={command => set({ command })}
    />
  );
}

function PartFields({ fields, set, trans }: PartProps): JSX.Element {
  const { what } = fields;
  return (
    <>
      <TextField
        first
        label={trans.__('Remote host')}
        placeholder="user@gpu01"
        value={fields.host}
        onChange={host => set({ host })}
      />
      <label>
        {trans.__('What to open')}
        <select
          className="jp-mod-styled"
          value={what}
          onChange={event =>
            set({ what: event.target.value as Fields['what'] })
          }
        >
          <option value="application">
            {trans.__('A web application, shown inside Jupyter')}
          </option>
          <option value="local">
            {trans.__('A port of the remote host, here (-L)')}
          </option>
          <option value="remote">
            {trans.__('A port of this machine, on the remote host (-R)')}
          </option>
          <option value="dynamic">
            {trans.__('A SOCKS proxy through the remote host (-D)')}
          </option>
        </select>
      </label>
      {what !== 'dynamic' && (
        <TextField
          label={
            what === 'remote'
              ? trans.__('Port on this machine')
              : trans.__('Port on the remote host')
          }
          placeholder="5006"
          value={fields.destination}
          onChange={destination => set({ destination })}
        />
      )}
      {what !== 'application' && (
        <TextField
          label={
            what === 'remote'
              ? trans.__('Port on the remote host (0: any free one)')
              : trans.__('Port on this machine (0: any free one)')
          }
          placeholder={fields.destination || '1080'}
          value={fields.bind}
          onChange={bind => set({ bind })}
        />
      )}
      <div className="jp-RemoteTunnel-columns">
        <TextField
          label={trans.__('Through the host (optional)')}
          placeholder="user@gateway"
          value={fields.jump}
          onChange={jump => set({ jump })}
        />
        <TextField
          numeric
          label={trans.__('Port of ssh')}
          placeholder="22"
          value={fields.sshPort}
          onChange={sshPort => set({ sshPort })}
        />
      </div>
    </>
  );
}

function TextField(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  numeric?: boolean;
  /** Whether the dialog starts here. */
  first?: boolean;
}): JSX.Element {
  return (
    <label>
      {props.label}
      <input
        type="text"
        className="jp-mod-styled"
        inputMode={props.numeric ? 'numeric' : undefined}
        data-first-field={props.first}
        placeholder={props.placeholder}
        value={props.value}
        autoComplete="off"
        spellCheck={false}
        onChange={event => props.onChange(event.target.value)}
      />
    </label>
  );
}
