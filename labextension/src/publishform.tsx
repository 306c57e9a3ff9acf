/** The fields of the dialog that publishes this Jupyter, and what was found. */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Change, Check, Host, PublicationList } from './api';
import { ChangeForm } from './changeform';
import { Checklist, verdictOfAll } from './checklist';
import { Explanation } from './dialogs';
import { HostOptions } from './hostdialog';
import { connectingIcon } from './icons';
import { PasswordForm } from './passwordform';
import { NumberField, PartProps, Text } from './publishfields';
import { PublishFields, Publishing } from './publishing';

const LONGEST_HOURS = 744;
const LAST_PORT = 65535;

interface FormProps {
  publishing: Publishing;
  /** How it may be published here. */
  ways: PublicationList['ways'];
  /** The gateways that are offered. */
  aliases: readonly Host[];
  trans: TranslationBundle;
  onShown: () => void;
}

export function PublishForm(props: FormProps): JSX.Element {
  const { onShown, publishing, trans } = props;
  const [fields, setFields] = React.useState(publishing.fields);
  const root = React.useRef<HTMLDivElement>(null);
  const progress = React.useRef<HTMLParagraphElement>(null);
  React.useEffect(onShown, []);
  React.useEffect(() => {
    // The dialog looks whether all is filled in when something is typed; what that asks for is
    // there only now.
    root.current!.dispatchEvent(new Event('input', { bubbles: true }));
  }, [fields]);
  const set = (change: Partial<PublishFields>): void => {
    const next = { ...fields, ...change };
    setFields(next);
    publishing.fields = next;
  };
  const setPassword = async (password: string): Promise<void> => {
    await publishing.setPassword(password);
    // The field that had the focus goes.
    progress.current?.focus();
  };
  const write = async (change: Change): Promise<void> => {
    await publishing.changeSetting(change);
    progress.current?.focus();
  };
  const remedyOf = ({ change, remedy }: Check): React.ReactNode =>
    remedy === 'password' ? (
      <PasswordForm
        file={publishing.passwordFile}
        onSet={setPassword}
        trans={trans}
      />
    ) : (
      change && <ChangeForm change={change} onWrite={write} trans={trans} />
    );
  const { checks, error } = publishing;
  return (
    <div className="jp-RemoteTunnel-fields" ref={root}>
      <Where {...props} fields={fields} set={set} />
      <p className="jp-RemoteTunnel-hint">{whoReads(fields, trans)}</p>
      <More fields={fields} set={set} trans={trans} />
      <p
        className="jp-RemoteTunnel-busy"
        role="status"
        tabIndex={-1}
        ref={progress}
      >
        <Progress publishing={publishing} trans={trans} />
      </p>
      {error && <Explanation error={error} />}
      {checks.length > 0 && (
        <Checklist checks={checks} remedy={remedyOf} trans={trans} />
      )}
    </div>
  );
}

/** From where browsers come in, and under which name. */
function Where(props: FormProps & PartProps): JSX.Element {
  const { aliases, fields, set, trans, ways } = props;
  const hosts = React.useId();
  const { way } = fields;
  const brought =
    way === 'bind' ? trans.__('What the gateway renews') : undefined;
  return (
    <>
      {ways.length > 1 && (
        <label>
          {trans.__('Where browsers come in')}
          <select
            className="jp-mod-styled"
            value={way}
            onChange={({ target: { value } }) =>
              set({ way: value as PublishFields['way'] })
            }
          >
            {ways.map(one => (
              <option key={one} value={one}>
                {wayLabel(one, trans)}
              </option>
            ))}
          </select>
        </label>
      )}
      {way !== 'direct' && (
        <>
          <Text
            {...props}
            field="gateway"
            label={trans.__('Gateway')}
            list={hosts}
            placeholder="user@gateway"
            required
          />
          <HostOptions id={hosts} aliases={aliases} />
        </>
      )}
      <Text
        {...props}
        field="name"
        label={trans.__('Name that browsers use')}
        placeholder="jupyter.example.org"
        required
      />
      {way !== 'proxy' && (
        <>
          <Text
            {...props}
            field="certificate"
            label={trans.__('File of the certificate, on Jupyter’s machine')}
            required={way === 'direct'}
            placeholder={brought}
            beside={way === 'bind' ? 'key' : undefined}
          />
          <Text
            {...props}
            field="key"
            label={trans.__('File of its key, on Jupyter’s machine')}
            required={way === 'direct'}
            placeholder={brought}
            beside={way === 'bind' ? 'certificate' : undefined}
          />
        </>
      )}
      <div className="jp-RemoteTunnel-columns">
        {way === 'proxy' && (
          <label>
            {trans.__('Web server of the gateway')}
            <select
              className="jp-mod-styled"
              value={fields.proxy}
              onChange={({ target: { value } }) =>
                set({ proxy: value as PublishFields['proxy'] })
              }
            >
              <option value="">{trans.__('The one that is there')}</option>
              <option value="nginx">nginx</option>
              <option value="caddy">Caddy</option>
            </select>
          </label>
        )}
        <NumberField
          {...props}
          field="hours"
          label={trans.__('Hours until it ends')}
          max={LONGEST_HOURS}
          step="any"
          range={trans.__('More than 0, at most %1 hours', LONGEST_HOURS)}
        />
      </div>
    </>
  );
}

const OF_MORE = [
  'port',
  'loopbackPort',
  'gatewayCertificate',
  'gatewayKey'
] as const;

/** What most people need not know. */
function More(props: PartProps): JSX.Element {
  const { fields, set, trans } = props;
  const range = trans.__('From 1 to %1', LAST_PORT);
  // What was typed before is not hidden, as it may lack something.
  const [isOpen] = React.useState(
    fields.selfSigned || OF_MORE.some(field => fields[field].trim() !== '')
  );
  return (
    <details className="jp-RemoteTunnel-more" open={isOpen}>
      <summary>{trans.__('More')}</summary>
      <div className="jp-RemoteTunnel-columns">
        <NumberField
          {...props}
          field="port"
          label={trans.__('Port in the URL')}
          max={LAST_PORT}
          range={range}
          placeholder={fields.way === 'proxy' ? '443' : '8443'}
        />
        {fields.way === 'proxy' && (
          <NumberField
            {...props}
            field="loopbackPort"
            label={trans.__('Port on the gateway, in place of a socket')}
            max={LAST_PORT}
            range={range}
          />
        )}
      </div>
      {fields.way === 'proxy' && (
        <div className="jp-RemoteTunnel-columns">
          <Text
            {...props}
            field="gatewayCertificate"
            label={trans.__('File of the gateway’s own certificate')}
            placeholder={trans.__('The site’s, or Let’s Encrypt’s')}
            beside="gatewayKey"
          />
          <Text
            {...props}
            field="gatewayKey"
            label={trans.__('File of its key, on the gateway')}
            beside="gatewayCertificate"
          />
        </div>
      )}
      <label className="jp-RemoteTunnel-check">
        <input
          type="checkbox"
          checked={fields.selfSigned}
          onChange={({ target: { checked } }) => set({ selfSigned: checked })}
        />
        {trans.__('A certificate that browsers do not trust will do')}
      </label>
    </details>
  );
}

/** What is being done, or what it came to. */
function Progress(props: {
  publishing: Publishing;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { publishing, trans } = props;
  const { isBusy, report } = publishing;
  if (isBusy) {
    return (
      <>
        <connectingIcon.react tag="span" />
        {trans.__('Looking… Cancel gives up.')}
      </>
    );
  }
  if (!report) {
    return (
      <>{trans.__('All is checked before anything opens, line by line.')}</>
    );
  }
  const verdict = verdictOfAll(report.checks, trans);
  return (
    <>
      {report.ok
        ? trans.__('%1 Publish opens it, and tries the way in.', verdict)
        : trans.__('%1 Nothing is published.', verdict)}
    </>
  );
}

function wayLabel(way: PublishFields['way'], trans: TranslationBundle): string {
  const labels = {
    proxy: trans.__('The web server of a gateway'),
    bind: trans.__('A public port of a gateway'),
    direct: trans.__('A port of Jupyter’s machine')
  };
  return labels[way];
}

/** Who can read what passes. */
function whoReads({ way }: PublishFields, trans: TranslationBundle): string {
  return way === 'proxy'
    ? trans.__(
        'Whoever logs in works as you. TLS ends on the gateway: its root can read what passes.'
      )
    : trans.__(
        'Whoever logs in works as you. TLS ends in this Jupyter, with no web server in front.'
      );
}
