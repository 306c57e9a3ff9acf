/**
 * What a question's dialog shows.
 *
 * A host's own words stand in a frame below who says them, as text; all that is outside of a frame
 * is ours.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Field, Prompt, Question, ShownKey } from './api';

export interface QuestionProps {
  prompt: Prompt;
  /** The names of those that wait for the answer. */
  tunnels: readonly string[];
  /** The id for what is to be read before an answer. */
  aboutId: string;
  /** Whether nobody waits for the answer any more. */
  isOver: boolean;
  trans: TranslationBundle;
  onShown: () => void;
}

export function QuestionFields(props: QuestionProps): JSX.Element {
  const root = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    // The dialog looks whether all is filled in when something is typed.
    root.current!.dispatchEvent(new Event('input', { bubbles: true }));
    props.onShown();
  }, []);
  const { isOver, prompt, trans } = props;
  const { host_key: key, kind } = prompt.question;
  return (
    <div className="jp-RemoteTunnel-fields jp-RemoteTunnel-question" ref={root}>
      <Wrong
        text={
          isOver
            ? trans.__('%1 waits for this answer no more.', prompt.hop)
            : ''
        }
      />
      {kind === 'host_key' && <HostKey {...props} hostKey={key!} />}
      {kind === 'notice' && <Notice {...props} />}
      {kind === 'keyboard_interactive' && <Challenge {...props} />}
      {(kind === 'password' ||
        kind === 'new_password' ||
        kind === 'passphrase') && <Secrets {...props} />}
      <Purpose {...props} />
    </div>
  );
}

// So many names are read at a glance.
const FEW = 3;

/** What it is asked for: somebody else's tab, or a reload, may have brought it up. */
function Purpose({ trans, tunnels }: QuestionProps): JSX.Element | null {
  if (tunnels.length === 0) {
    return null;
  }
  const few = tunnels.slice(0, FEW).join(', ');
  const names = tunnels.length > FEW ? `${few} …` : few;
  return (
    <p className="jp-RemoteTunnel-hint">
      {trans._n(
        'For the SSH tunnel %2.',
        'For the SSH tunnels %2.',
        tunnels.length,
        names
      )}
    </p>
  );
}

function HostKey(props: QuestionProps & { hostKey: ShownKey }): JSX.Element {
  const { aboutId, hostKey, prompt, trans } = props;
  const { certificate, file, fingerprint, name, type } = hostKey;
  const kind = type.toLowerCase().replace(/\W/g, '_');
  return (
    <div id={aboutId} className="jp-RemoteTunnel-about">
      <p>
        {trans.__(
          'Nothing is known of this host yet. Is it the one that you mean, or somebody in between?'
        )}
      </p>
      <dl className="jp-RemoteTunnel-facts">
        <dt>{trans.__('Host')}</dt>
        <dd>{prompt.hop}</dd>
        <dt>{trans.__('Login')}</dt>
        <dd>{prompt.login}</dd>
        <dt>{trans.__('Key type')}</dt>
        <dd>{type}</dd>
        <dt>{trans.__('Fingerprint')}</dt>
        <dd>
          <code>{fingerprint}</code>
        </dd>
      </dl>
      {certificate && <p>{certificate}</p>}
      <p>
        {trans.__(
          'Ask whoever runs the host for its fingerprint, and compare. On the host itself, this prints it:'
        )}
      </p>
      <p>
        <code>ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub</code>
      </p>
      {file !== null && (
        <p className="jp-RemoteTunnel-hint">
          {trans.__(
            '“Accept Once” trusts the key while its tunnels are open. “Accept and Remember” also writes it to %1, under the name %2, where ssh finds it, too.',
            file,
            name
          )}
        </p>
      )}
    </div>
  );
}

/** What takes no answer, and goes by itself. */
function Notice(props: QuestionProps): JSX.Element {
  const { aboutId, prompt, trans } = props;
  const { hop, login, question } = prompt;
  return (
    // Not the button has the focus, which some Enter would press.
    <div
      id={aboutId}
      className="jp-RemoteTunnel-about"
      tabIndex={-1}
      data-first-field
    >
      {question.says ? (
        <>
          <Saying {...props} />
          <p>
            {trans.__(
              'Nothing is to be typed here. This goes away when the login goes on.'
            )}
          </p>
        </>
      ) : (
        <p>
          {trans.__(
            'Touch your security key while it blinks, to log in to %1 as %2.',
            hop,
            login
          )}
        </p>
      )}
    </div>
  );
}

/** A password or a passphrase: the labels are ours. */
function Secrets(props: QuestionProps): JSX.Element {
  const { aboutId, prompt, trans } = props;
  return (
    <>
      <div id={aboutId} className="jp-RemoteTunnel-about">
        <Saying {...props} />
        <Wrong text={wrong(prompt.question, trans)} />
        <p>{request(prompt, trans)}</p>
      </div>
      {secretLabels(prompt.question, trans).map(
        ([label, autoComplete], index) => (
          <div key={index} className="jp-RemoteTunnel-field">
            <label>
              {label}
              <Input
                {...props}
                {...{ autoComplete, index }}
                // Without one, the login goes on without the key.
                required={prompt.question.kind !== 'passphrase'}
              />
            </label>
          </div>
        )
      )}
    </>
  );
}

/** What a host asks in words of its own. Some want an empty answer. */
function Challenge(props: QuestionProps): JSX.Element {
  const { aboutId, prompt, trans } = props;
  const { hop, login, question } = prompt;
  return (
    <>
      <div id={aboutId} className="jp-RemoteTunnel-about">
        <Saying {...props} />
        <Wrong text={wrong(question, trans)} />
      </div>
      <figure className="jp-RemoteTunnel-quote">
        <figcaption>{trans.__('%1 asks %2:', hop, login)}</figcaption>
        {question.fields.map((field, index) => (
          <Asked key={index} {...props} {...{ field, index }} />
        ))}
      </figure>
    </>
  );
}

function Asked(
  props: QuestionProps & { field: Field; index: number }
): JSX.Element {
  const { field, trans } = props;
  const lines = field.label.split('\n');
  const label = lines.pop();
  return (
    <div className="jp-RemoteTunnel-field">
      <Quote text={lines.join('\n')} />
      <label>
        {label || trans.__('(it does not say what)')}
        <Input
          {...props}
          isShown={field.echo}
          autoComplete={field.echo ? 'off' : 'one-time-code'}
        />
      </label>
    </div>
  );
}

function Input(
  props: QuestionProps & {
    index: number;
    /** Against what browsers would keep or fill in. */
    autoComplete: string;
    isShown?: boolean;
    required?: boolean;
  }
): JSX.Element {
  const { aboutId, autoComplete, index, isOver, isShown, required } = props;
  return (
    <input
      type={isShown ? 'text' : 'password'}
      className="jp-mod-styled"
      autoComplete={autoComplete}
      autoCapitalize="off"
      autoCorrect="off"
      spellCheck={false}
      required={required}
      // Not disabled: it keeps the focus, and what is typed on goes nowhere.
      readOnly={isOver}
      aria-describedby={aboutId}
      data-first-field={index === 0 ? true : undefined}
    />
  );
}

/** What the host said before it asked. */
function Saying({ prompt, trans }: QuestionProps): JSX.Element | null {
  const { hop, question } = prompt;
  if (!question.says) {
    return null;
  }
  return (
    <figure className="jp-RemoteTunnel-quote">
      <figcaption>{trans.__('%1 says:', hop)}</figcaption>
      <Quote text={question.says} />
    </figure>
  );
}

/** Lines of a host; as they may be many, they scroll, by keyboard too. */
function Quote({ text }: { text: string }): JSX.Element | null {
  return text ? <blockquote tabIndex={0}>{text}</blockquote> : null;
}

/** Why the same is asked again. */
function Wrong({ text }: { text: string }): JSX.Element | null {
  return text ? (
    <div className="jp-RemoteTunnel-error" role="alert">
      <p>{text}</p>
    </div>
  ) : null;
}

function wrong({ kind, tries }: Question, trans: TranslationBundle): string {
  if (tries === 1) {
    return '';
  }
  switch (kind) {
    case 'password':
      return trans.__(
        'That was not the right password. This is try %1.',
        tries
      );
    case 'new_password':
      return trans.__('The new passwords were not the same.');
    case 'passphrase':
      return trans.__('That did not open the key.');
    default:
      return trans.__('An answer was not right. This is try %1.', tries);
  }
}

function request(
  { hop, login, question }: Prompt,
  trans: TranslationBundle
): string {
  switch (question.kind) {
    case 'new_password':
      return trans.__('%1 wants another password for %2.', hop, login);
    case 'passphrase':
      return trans.__(
        '%1 takes the key %2, which a passphrase protects. Leave it empty to go on without this key.',
        hop,
        question.path
      );
    default:
      return trans.__('%1 asks for the password of %2.', hop, login);
  }
}

/** Each label, and what a browser is told of its field. */
function secretLabels(
  { kind }: Question,
  trans: TranslationBundle
): [label: string, autoComplete: string][] {
  switch (kind) {
    case 'new_password':
      return [
        [trans.__('Old password'), 'off'],
        [trans.__('New password'), 'new-password'],
        [trans.__('New password again'), 'new-password']
      ];
    case 'passphrase':
      return [[trans.__('Passphrase'), 'off']];
    default:
      return [[trans.__('Password'), 'off']];
  }
}
