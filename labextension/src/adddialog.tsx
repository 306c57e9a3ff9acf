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
import { Explanation } from './dialogs';
import { Fields, locate, Place, TextKey, toRequest } from './form';
import { NBSP } from './format';
import { connectingIcon } from './icons';
import { Opening } from './opening';
import { TunnelError } from './restapi';
import { ITunnelManager } from './tokens';

/** Ask for a tunnel and open it; null if the person thought better of it. */
export async function askForTunnel(
  manager: ITunnelManager,
  initial: Fields,
  trans: TranslationBundle
): Promise<OpenedTunnel | null> {
  const dialog = new AddDialog(manager, new TunnelForm(initial, trans), trans);
  await dialog.launch();
  if (!dialog.opened) {
    dialog.giveUp();
  }
  return dialog.opened;
}

// The place of the button among the buttons.
const OPEN = 1;

class AddDialog extends Dialog<void> {
  constructor(
    private readonly _manager: ITunnelManager,
    private readonly _form: TunnelForm,
    trans: TranslationBundle
  ) {
    super({
      title: trans.__('Add an SSH Tunnel'),
      body: _form,
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: trans.__('Open') })
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

  /** If an opening is under way, nobody waits for it any more. */
  giveUp(): void {
    if (this._form.isBusy) {
      void this._opening?.giveUp();
    }
  }

  private async _open(): Promise<void> {
    this._tell(true, null);
    // The row of a try before would stay in the list, beside that of this one.
    await this._opening?.dismiss();
    if (this.isDisposed) {
      return;
    }
    this._opening = new Opening(this._manager, toRequest(this._form.fields));
    try {
      this.opened = await this._opening.result;
      // Closes it; the other way out is barred while a field is not filled in.
      this.reject();
    } catch (error) {
      this._tell(false, error as TunnelError);
    }
  }

  private _tell(isBusy: boolean, error: TunnelError | null): void {
    if (!this.isDisposed) {
      // Not `disabled`, which would take the focus away.
      this._button.setAttribute('aria-disabled', String(isBusy));
      this._form.tell(isBusy, error);
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

  /** @param error - why the last try failed. */
  tell(isBusy: boolean, error: TunnelError | null): void {
    this.isBusy = isBusy;
    this._error = error;
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
        error={this._error}
        trans={this._trans}
        onChange={fields => {
          this.fields = fields;
        }}
        onShown={() => this._shown.resolve()}
      />
    );
  }

  private _error: TunnelError | null = null;
  private readonly _shown = new PromiseDelegate<void>();
}

function FormFields(props: {
  initial: Fields;
  isBusy: boolean;
  error: TunnelError | null;
  trans: TranslationBundle;
  onChange: (fields: Fields) => void;
  onShown: () => void;
}): JSX.Element {
  const { error, isBusy, onShown, trans } = props;
  const [fields, setFields] = React.useState(props.initial);
  const [wrong, setWrong] = React.useState<Place | null>(null);
  const errorId = React.useId();
  const root = React.useRef<HTMLDivElement>(null);
  React.useEffect(onShown, []);
  React.useEffect(() => {
    setWrong(error?.where ? locate(fields, error.where) : null);
  }, [error]);
  React.useEffect(() => {
    // The dialog looks whether all is filled in when something is typed; other fields count too.
    root.current!.dispatchEvent(new Event('input', { bubbles: true }));
  }, [fields.mode, fields.what]);
  const set = (change: Partial<Fields>): void => {
    const next = { ...fields, ...change };
    setFields(next);
    setWrong(wrong && wrong.field in change ? null : wrong);
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
  const part: PartProps = { fields, set, trans, wrong, errorId };
  return (
    <div className="jp-RemoteTunnel-fields" ref={root}>
      {error && (
        <div id={errorId}>
          <Explanation error={error} />
        </div>
      )}
      <div className="jp-RemoteTunnel-modes" role="radiogroup">
        {mode('command', trans.__('Paste a command'))}
        {mode('fields', trans.__('Fill in the parts'))}
      </div>
      {fields.mode === 'command' ? (
        <TextField
          {...part}
          field="command"
          first
          required
          label={trans.__('A command of ssh, or user@host:port')}
          placeholder="ssh -NfL 5006:localhost:5006 user@gpu01"
        />
      ) : (
        <PartFields {...part} />
      )}
      <TextField {...part} field="name" label={trans.__('Name (optional)')} />
      <label className="jp-RemoteTunnel-check">
        <input
          type="checkbox"
          checked={fields.pick}
          onChange={event => set({ pick: event.target.checked })}
        />
        {trans.__('If the local port is taken, use another one')}
      </label>
      <p className="jp-RemoteTunnel-busy" role="status">
        {isBusy && (
          <>
            <connectingIcon.react tag="span" />
            {trans.__('Opening… This can take some seconds; Cancel gives up.')}
          </>
        )}
      </p>
    </div>
  );
}

interface PartProps {
  fields: Fields;
  set: (change: Partial<Fields>) => void;
  trans: TranslationBundle;
  wrong: Place | null;
  /** The id of what explains the error. */
  errorId: string;
}

function PartFields(props: PartProps): JSX.Element {
  const { fields, set, trans } = props;
  const { what } = fields;
  return (
    <>
      <TextField
        {...props}
        field="host"
        first
        required
        label={trans.__('Remote host')}
        placeholder="user@gpu01"
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
          {...props}
          field="destination"
          required
          label={
            what === 'remote'
              ? trans.__('Port on this machine')
              : trans.__('Port on the remote host')
          }
          placeholder="5006"
        />
      )}
      {what !== 'application' && (
        <TextField
          {...props}
          field="bind"
          required={what === 'dynamic'}
          label={
            what === 'remote'
              ? trans.__('Port on the remote host (0: any free one)')
              : trans.__('Port on this machine (0: any free one)')
          }
          placeholder={fields.destination || '1080'}
        />
      )}
      <div className="jp-RemoteTunnel-columns">
        <TextField
          {...props}
          field="jump"
          label={trans.__('Through the host (optional)')}
          placeholder="user@gateway"
        />
        <TextField
          {...props}
          field="sshPort"
          numeric
          label={trans.__('Port of ssh')}
          placeholder="22"
        />
      </div>
    </>
  );
}

function TextField(
  props: PartProps & {
    field: TextKey;
    label: string;
    placeholder?: string;
    /** Whether only digits can be typed. */
    numeric?: boolean;
    required?: boolean;
    /** Whether the dialog starts here. */
    first?: boolean;
  }
): JSX.Element {
  const { errorId, field, fields, numeric, set } = props;
  const wrong = props.wrong?.field === field ? props.wrong : null;
  const input = React.useRef<HTMLInputElement>(null);
  const wrongId = React.useId();
  React.useEffect(() => {
    if (wrong) {
      // Only a field that gets the focus is scrolled to what is selected.
      input.current!.setSelectionRange(wrong.start, wrong.end);
      input.current!.blur();
      input.current!.focus();
    }
  }, [wrong]);
  return (
    <div className="jp-RemoteTunnel-field">
      <label>
        {props.label}
        <input
          ref={input}
          type="text"
          className="jp-mod-styled"
          inputMode={numeric ? 'numeric' : undefined}
          required={props.required}
          // Blanks alone fill in nothing.
          pattern=".*\S.*"
          aria-invalid={wrong !== null}
          aria-describedby={wrong ? `${errorId} ${wrongId}` : undefined}
          data-first-field={props.first}
          placeholder={props.placeholder}
          value={fields[field]}
          autoComplete="off"
          spellCheck={false}
          onChange={({ target: { value } }) =>
            set({ [field]: numeric ? value.replace(/\D/g, '') : value })
          }
          onPaste={event => {
            const pasted = event.clipboardData.getData('text');
            if (pasted.includes('\n')) {
              event.preventDefault();
              const target = event.currentTarget;
              const { selectionStart, selectionEnd } = target;
              target.setRangeText(
                joined(pasted),
                selectionStart!,
                selectionEnd!,
                'end'
              );
              set({ [field]: target.value });
            }
          }}
        />
      </label>
      {wrong && <Marked id={wrongId} text={fields[field]} {...wrong} />}
    </div>
  );
}

/** One line of those into which a shell's command was broken; a field would glue them together. */
function joined(lines: string): string {
  return lines.trim().replace(/\s*\\?\r?\n\s*/g, ' ');
}

/** A text in which the wrong part is marked. */
function Marked(props: {
  id: string;
  text: string;
  start: number;
  end: number;
}): JSX.Element {
  const { end, id, start, text } = props;
  return (
    <p id={id} className="jp-RemoteTunnel-wrong">
      {text.slice(0, start)}
      {/* Where something is missing, the mark has a width all the same. */}
      <mark>{text.slice(start, end) || NBSP}</mark>
      {text.slice(end)}
    </p>
  );
}
