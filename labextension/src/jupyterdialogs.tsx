/**
 * The dialogs about the Jupyter servers of a host: which one, how to start one, whether to end one,
 * and where one is found at a port here.
 */

import { Clipboard, Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { JupyterServer, JupyterStart, OpenedJupyter } from './api';
import { DialogBody, Explanation, launch } from './dialogs';
import { inOurWords } from './format';
import { Labelled } from './publishfields';
import { TunnelError } from './restapi';
import { isOfThisMachine } from './view';

/** What is asked of a server that is to be opened. */
export interface Asked {
  host: string;
  /** Whether at a port here, for which there is a field then. */
  atPort: boolean;
  /** Why what was answered before was not done, and what that was. */
  wrong?: TunnelError;
  before?: Partial<Choice & Pick<JupyterStart, 'folder' | 'keep'>>;
}

/** How a person wants one started where none runs; null if they do not. */
export async function askToStart(
  asked: Asked,
  trans: TranslationBundle
): Promise<JupyterStart | null> {
  const title = trans.__('Start a Jupyter on %1?', asked.host);
  const { button, value } = await ask<JupyterStart>(
    title,
    asked,
    () => new StartForm(asked, trans),
    [Dialog.okButton({ label: trans.__('Start') })],
    trans
  );
  return button.accept ? value : null;
}

/** A server of a host, and the port here at which it is wanted. */
export interface Choice {
  server: JupyterServer;
  port?: number;
}

/** Which server a person wants; 'password' if they want to set one there; null if they do not. */
export async function askWhich(
  servers: readonly JupyterServer[],
  asked: Asked,
  trans: TranslationBundle
): Promise<Choice | 'password' | null> {
  const title = asked.atPort
    ? trans.__('Open a Jupyter of %1 at a port', asked.host)
    : trans.__('Which Jupyter of %1?', asked.host);
  const { button, value } = await ask<Choice>(
    title,
    asked,
    () => new WhichForm(servers, asked, trans),
    [
      Dialog.createButton({
        label: trans.__('Set the Password…'),
        accept: false,
        actions: [PASSWORD]
      }),
      Dialog.okButton({
        label: asked.atPort ? trans.__('Open') : trans.__('Choose')
      })
    ],
    trans
  );
  return button.actions.includes(PASSWORD)
    ? 'password'
    : button.accept
      ? value
      : null;
}

const PASSWORD = 'password';

/** Ask by a form, which has the focus in its first field, or in that of a port that is taken. */
function ask<T>(
  title: string,
  { wrong }: Asked,
  form: () => DialogBody & { getValue(): T },
  buttons: readonly Dialog.IButton[],
  trans: TranslationBundle
): Promise<Dialog.IResult<T>> {
  return launch(() => {
    const dialog = new Dialog<T>({
      title,
      body: form(),
      buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), ...buttons],
      focusNodeSelector:
        wrong?.code === 'port_in_use' ? '[data-port]' : 'input, select'
    });
    dialog.addClass('jp-RemoteTunnel-dialog');
    dialog.node.setAttribute('aria-label', title);
    return dialog;
  });
}

class StartForm extends DialogBody {
  constructor(
    private readonly _asked: Asked,
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
    const port = portIn(this.node);
    return {
      host: this._asked.host,
      ...(folder && { folder }),
      ...(checked && { keep: true }),
      ...(port !== undefined && { local_port: port })
    };
  }

  protected render(): JSX.Element {
    return (
      <StartFields
        {...this._asked}
        trans={this._trans}
        onShown={() => this.shown()}
      />
    );
  }
}

function StartFields(
  props: Asked & { trans: TranslationBundle; onShown: () => void }
): JSX.Element {
  const { atPort, before, host, onShown, trans } = props;
  const [wrong, setWrong] = React.useState(props.wrong);
  React.useEffect(onShown, []);
  return (
    <div className="jp-RemoteTunnel-fields" onInput={() => setWrong(undefined)}>
      {wrong && (
        <Explanation error={inOurWords(wrong, trans, undefined, null)} />
      )}
      <p>{trans.__('No Jupyter server of yours runs on %1.', host)}</p>
      <label>
        {trans.__('Its folder there (optional)')}
        <input
          type="text"
          className="jp-mod-styled"
          placeholder="~"
          defaultValue={before?.folder ?? ''}
          autoComplete="off"
          spellCheck={false}
        />
      </label>
      {atPort && <PortField usual={before?.port ?? 0} trans={trans} />}
      <label className="jp-RemoteTunnel-check">
        <input type="checkbox" defaultChecked={before?.keep} />
        {trans.__('Keep it running when its tunnel is closed')}
      </label>
    </div>
  );
}

class WhichForm extends DialogBody {
  constructor(
    private readonly _servers: readonly JupyterServer[],
    private readonly _asked: Asked,
    private readonly _trans: TranslationBundle
  ) {
    super();
  }

  getValue(): Choice {
    const { selectedIndex } = this.node.querySelector('select')!;
    const port = portIn(this.node);
    return {
      server: this._servers[selectedIndex]!,
      ...(port !== undefined && { port })
    };
  }

  protected render(): JSX.Element {
    return (
      <WhichFields
        {...this._asked}
        servers={this._servers}
        trans={this._trans}
        onShown={() => this.shown()}
      />
    );
  }
}

function WhichFields(
  props: Asked & {
    servers: readonly JupyterServer[];
    trans: TranslationBundle;
    onShown: () => void;
  }
): JSX.Element {
  const { atPort, before, onShown, servers, trans } = props;
  const [wrong, setWrong] = React.useState(props.wrong);
  const first = Math.max(servers.indexOf(before?.server as JupyterServer), 0);
  const [index, setIndex] = React.useState(first);
  const there = /:(\d+)$/.exec(servers[index]!.destination)?.[1];
  const usual = index === first ? (before?.port ?? there) : there;
  React.useEffect(onShown, []);
  return (
    <div
      className="jp-RemoteTunnel-fields jp-RemoteTunnel-form"
      onInput={() => setWrong(undefined)}
    >
      {wrong && (
        <Explanation error={inOurWords(wrong, trans, undefined, null)} />
      )}
      <label>
        {trans.__('Jupyter server')}
        <select
          className="jp-mod-styled"
          value={index}
          onChange={event => setIndex(event.target.selectedIndex)}
        >
          {servers.map(({ destination, root_dir }, number) => (
            <option key={number} value={number}>
              {trans.__('%1 at %2', root_dir, destination)}
            </option>
          ))}
        </select>
      </label>
      {atPort && <PortField key={index} usual={usual ?? 0} trans={trans} />}
    </div>
  );
}

/** The port of this machine at which a server is wanted. */
function PortField(props: {
  /** What stands there first. */
  usual: string | number;
  trans: TranslationBundle;
}): JSX.Element {
  const { trans, usual } = props;
  const [isWrong, setWrong] = React.useState(false);
  return (
    <Labelled
      label={trans.__('Port on this machine (0: any free one)')}
      lacks={
        isWrong
          ? trans.__('A port from 1 to 65535, or 0 for any free one')
          : null
      }
    >
      {described => (
        <input
          type="text"
          className="jp-mod-styled"
          inputMode="numeric"
          required
          pattern={PORT}
          data-port
          defaultValue={usual}
          autoComplete="off"
          spellCheck={false}
          onInput={({ currentTarget }) =>
            setWrong(!currentTarget.validity.valid)
          }
          {...described}
        />
      )}
    </Labelled>
  );
}

// At most 65535.
const PORT = `\\s*0*(${[
  '\\d{1,4}',
  '[1-5]\\d{4}',
  '6[0-4]\\d{3}',
  '65[0-4]\\d{2}',
  '655[0-2]\\d',
  '6553[0-5]'
].join('|')})\\s*`;

/** What stands in that field, if it is there. */
function portIn(form: HTMLElement): number | undefined {
  const field = form.querySelector<HTMLInputElement>('[data-port]');
  return field ? Number(field.value) : undefined;
}

/** Say where a server is found at a port here, and what it asks for there. */
export async function showAddress(
  opened: OpenedJupyter,
  host: string,
  trans: TranslationBundle
): Promise<void> {
  const address = opened.address!;
  const title = trans.__('The Jupyter on %1 is at a port here', host);
  const copy = Dialog.createButton({
    label: trans.__('Copy the Address'),
    accept: false,
    actions: ['copy']
  });
  const { button } = await launch(() => {
    const dialog = new Dialog({
      title,
      body: ReactWidget.create(
        <Address {...opened} address={address} host={host} trans={trans} />
      ),
      buttons: [copy, Dialog.okButton({ label: trans.__('Done') })]
    });
    dialog.addClass('jp-RemoteTunnel-dialog');
    dialog.node.setAttribute('aria-label', title);
    return dialog;
  });
  if (button.actions.includes('copy')) {
    Clipboard.copyToSystem(address);
  }
}

function Address(
  props: Pick<OpenedJupyter, 'destination' | 'protection'> & {
    address: string;
    host: string;
    trans: TranslationBundle;
  }
): JSX.Element {
  const { address, destination, host, protection, trans } = props;
  const { hostname } = new URL(address);
  const here = window.location.hostname;
  const asks = {
    token: trans.__(
      'It asks for its password or token. On %1, “jupyter server list” prints the token (for Notebook up to 6, “jupyter notebook list”).',
      host
    ),
    password: trans.__('It asks for its password.'),
    unknown: trans.__('It asks for a password, or for nothing.')
  };
  // Cookies know no ports: a page of that address would be sent Jupyter's own.
  const isApart = hostname !== here;
  return (
    <div className="jp-RemoteTunnel-fields">
      <p>
        {isApart && [here, hostname].every(isOfThisMachine) ? (
          <a href={address} target="_blank" rel="noopener noreferrer">
            {address}
          </a>
        ) : (
          <code>{address}</code>
        )}{' '}
        {trans.__('leads to %1 on %2.', destination, host)}
      </p>
      <p>{asks[protection]}</p>
      {!isOfThisMachine(here) && (
        <p>
          {trans.__(
            'It is an address of the machine that this Jupyter runs on. Browsers of other machines do not reach it.'
          )}
        </p>
      )}
      {!isApart && (
        <p>
          {trans.__(
            'Beside this Jupyter, which has the same address, a browser sends each of the two the cookies of the other.'
          )}
        </p>
      )}
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
  // As JupyterLab does before it deletes: an Enter too many loses nothing.
  const result = await launch(
    () => new Dialog({ title, body, buttons, defaultButton: 0 })
  );
  return result.button.accept;
}
