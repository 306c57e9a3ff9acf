/** The fields of the dialog that adds a tunnel, and what is wrong with them. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Host } from './api';
import { Explanation } from './dialogs';
import { Fields, Place, portAsked, TextKey } from './form';
import { NBSP, pickLabel } from './format';
import { HostOptions } from './hostdialog';
import { connectingIcon } from './icons';
import { labelOf, Mistake } from './mistakes';

export function FormFields(props: {
  initial: Fields;
  /** The hosts that are offered. */
  aliases: readonly Host[];
  isBusy: boolean;
  mistake: Mistake | null;
  trans: TranslationBundle;
  onChange: (fields: Fields) => void;
  /** Finds out why it failed; null where nothing of it is left. */
  onDiagnose: (() => void) | null;
  onShown: () => void;
}): JSX.Element {
  const { aliases, isBusy, onDiagnose, onShown, trans } = props;
  const [fields, setFields] = React.useState(props.initial);
  const [mistake, setMistake] = React.useState(props.mistake);
  const errorId = React.useId();
  const hostsId = React.useId();
  const root = React.useRef<HTMLDivElement>(null);
  React.useEffect(onShown, []);
  React.useEffect(() => setMistake(props.mistake), [props.mistake]);
  React.useEffect(() => {
    // The dialog looks whether all is filled in when something is typed; other fields count too.
    root.current!.dispatchEvent(new Event('input', { bubbles: true }));
  }, [fields.mode, fields.what]);
  const set = (change: Partial<Fields>): void => {
    const next = { ...fields, ...change };
    setFields(next);
    if (mistake && isMended(mistake, change)) {
      setMistake(null);
    }
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
  const wrong = mistake?.place ?? null;
  const part: PartProps = { fields, set, trans, wrong, errorId, hostsId };
  return (
    <div className="jp-RemoteTunnel-fields" ref={root}>
      {mistake && (
        <div id={errorId}>
          <Explanation error={mistake} />
          {onDiagnose && (
            <button
              type="button"
              className="jp-RemoteTunnel-link"
              onClick={onDiagnose}
            >
              {trans.__('Diagnose…')}
            </button>
          )}
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
          placeholder="ssh -NfL 5006:localhost:5006 user@gpu01"
        />
      ) : (
        <PartFields {...part} knowsHost={props.initial.host !== ''} />
      )}
      <HostOptions id={hostsId} aliases={aliases} />
      <TextField {...part} field="name" />
      <label className="jp-RemoteTunnel-check">
        <input
          type="checkbox"
          checked={fields.pick}
          onChange={event => set({ pick: event.target.checked })}
        />
        {pickLabel(trans)}
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

/**
 * Whether a mistake may be gone by a change. What is wrong with one field is not mended in the text
 * of another, but may be by another choice.
 */
function isMended({ place }: Mistake, change: Partial<Fields>): boolean {
  const isChoice = 'mode' in change || 'what' in change || 'pick' in change;
  return !place || isChoice || place.field in change;
}

interface PartProps {
  fields: Fields;
  set: (change: Partial<Fields>) => void;
  trans: TranslationBundle;
  wrong: Place | null;
  /** The id of what explains the error. */
  errorId: string;
  /** The id of the list of hosts. */
  hostsId: string;
}

function PartFields(
  props: PartProps & {
    /** Whether the host was typed before. */
    knowsHost: boolean;
  }
): JSX.Element {
  const { fields, knowsHost, set, trans } = props;
  const { what } = fields;
  return (
    <>
      <TextField
        {...props}
        field="host"
        list={props.hostsId}
        first={!knowsHost}
        required
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
          first={knowsHost}
          required
          placeholder="5006"
        />
      )}
      {what !== 'application' && (
        <TextField
          {...props}
          field="bind"
          required={what === 'dynamic'}
          placeholder={
            what === 'dynamic' ? '1080' : portAsked(fields) || '5006'
          }
        />
      )}
      <div className="jp-RemoteTunnel-columns">
        <TextField
          {...props}
          field="jump"
          list={props.hostsId}
          placeholder="user@gateway"
        />
        <TextField {...props} field="sshPort" numeric placeholder="22" />
      </div>
    </>
  );
}

function TextField(
  props: PartProps & {
    field: TextKey;
    placeholder?: string;
    /** The id of what is offered. */
    list?: string;
    /** Whether only digits can be typed. */
    numeric?: boolean;
    required?: boolean;
    /** Whether the dialog starts here. */
    first?: boolean;
  }
): JSX.Element {
  const { errorId, field, fields, list, numeric, set, trans } = props;
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
        {labelOf(field, fields, trans)}
        <input
          ref={input}
          type="text"
          className="jp-mod-styled"
          list={list}
          inputMode={numeric ? 'numeric' : undefined}
          required={props.required}
          // Blanks alone fill in nothing.
          pattern=".*\S.*"
          aria-invalid={wrong !== null}
          aria-describedby={wrong ? `${errorId} ${wrongId}` : undefined}
          data-first-field={props.first || undefined}
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
              // As if it were typed, for the dialog to look whether all is filled in.
              target.dispatchEvent(new Event('input', { bubbles: true }));
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
