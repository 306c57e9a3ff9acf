/** A field of the dialog that publishes this Jupyter, and what it lacks. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { PublishFields } from './publishing';

export interface PartProps {
  fields: PublishFields;
  set: (change: Partial<PublishFields>) => void;
  trans: TranslationBundle;
}

type File = 'certificate' | 'gatewayCertificate' | 'gatewayKey' | 'key';

export function Text(
  props: PartProps & {
    field: File | 'gateway' | 'name';
    label: string;
    list?: string;
    placeholder?: string;
    required?: boolean;
    /** The other file: neither makes sense alone. */
    beside?: File;
  }
): JSX.Element {
  const { beside, field, fields, label, list, placeholder, set, trans } = props;
  const isBlank = (key: typeof field): boolean => fields[key].trim() === '';
  const lacks = beside !== undefined && isBlank(field) && !isBlank(beside);
  return (
    <Labelled
      label={label}
      lacks={lacks ? trans.__('Give both files, or neither.') : null}
    >
      {described => (
        <input
          type="text"
          className="jp-mod-styled"
          list={list}
          required={props.required || lacks}
          // Blanks alone fill in nothing.
          pattern=".*\S.*"
          placeholder={placeholder}
          value={fields[field]}
          autoComplete="off"
          spellCheck={false}
          onChange={({ target: { value } }) => set({ [field]: value })}
          {...described}
        />
      )}
    </Labelled>
  );
}

export function NumberField(
  props: PartProps & {
    field: 'hours' | 'loopbackPort' | 'port';
    label: string;
    max: number;
    /** What may stand there, in words: said where something else does. */
    range: string;
    placeholder?: string;
    step?: 'any';
  }
): JSX.Element {
  const { field, fields, label, max, placeholder, range, set, step } = props;
  const [isWrong, setWrong] = React.useState(false);
  const input = React.useRef<HTMLInputElement>(null);
  const look = (): void => setWrong(!input.current!.validity.valid);
  React.useEffect(look, []);
  return (
    <Labelled label={label} lacks={isWrong ? range : null}>
      {described => (
        <input
          ref={input}
          type="number"
          className="jp-mod-styled"
          min={step ? 0.01 : 1}
          max={max}
          step={step}
          placeholder={placeholder}
          value={fields[field]}
          // Also of what is no number, which changes no value.
          onInput={look}
          onChange={({ target: { value } }) => set({ [field]: value })}
          {...described}
        />
      )}
    </Labelled>
  );
}

/** A field with its label, and what it lacks below it; that is null where it lacks nothing. */
export function Labelled(props: {
  label: string;
  lacks: string | null;
  children: (described: React.AriaAttributes) => JSX.Element;
}): JSX.Element {
  const { children, label, lacks } = props;
  const said = React.useId();
  const isWrong = lacks !== null;
  return (
    <div className="jp-RemoteTunnel-field">
      <label>
        {label}
        {children({
          'aria-invalid': isWrong,
          'aria-describedby': isWrong ? said : undefined
        })}
      </label>
      {isWrong && (
        <p id={said} className="jp-RemoteTunnel-lacks">
          {lacks}
        </p>
      )}
    </div>
  );
}
