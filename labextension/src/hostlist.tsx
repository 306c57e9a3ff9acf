/** The hosts of the ssh configuration in the sidebar, and the forwards that they offer. */

import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { Context, HostActions, hostMenuHandler } from './actions';
import { Host, TunnelStatus } from './api';
import { CommandIDs } from './commands';
import { Explanation } from './dialogs';
import { stateOf, wholeState } from './format';
import { matching, wayOf } from './hosts';
import { stateIcon } from './icons';

// So many are seen at a glance.
const FEW = 8;

/** A section with those aliases that have no tunnels. */
export function Aliases(
  props: Context & {
    aliases: readonly Host[];
    isCollapsed: boolean;
    onToggle: () => void;
  }
): JSX.Element | null {
  const { aliases, hosts, isCollapsed, manager, onToggle, trans } = props;
  const [words, setWords] = React.useState('');
  const body = React.useId();
  // While the server tells nothing, it is said above.
  const problem = manager.problem ? null : hosts.problem;
  if (aliases.length === 0 && !problem) {
    return null;
  }
  const areMany = aliases.length > FEW;
  const shown = areMany ? matching(aliases, words.trim()) : aliases;
  return (
    <>
      <div className="jp-RemoteTunnel-host">
        <h3>
          <Toggle {...{ body, isCollapsed, onToggle }}>
            <span className="jp-RemoteTunnel-hostName">
              {trans.__('SSH configuration')}
            </span>{' '}
            <span className="jp-RemoteTunnel-state">
              {trans._n('%1 host', '%1 hosts', aliases.length)}
            </span>
          </Toggle>
        </h3>
      </div>
      <div id={body} hidden={isCollapsed}>
        {problem && <Explanation error={problem} />}
        {areMany && (
          <div className="jp-RemoteTunnel-filter">
            <input
              type="search"
              className="jp-mod-styled"
              aria-label={trans.__('Filter the hosts')}
              placeholder={trans.__('Filter the hosts')}
              spellCheck={false}
              value={words}
              onChange={event => setWords(event.target.value)}
            />
          </div>
        )}
        <ul
          className="jp-RemoteTunnel-list"
          aria-label={trans.__('Hosts of your ssh configuration')}
        >
          {shown.map(host => (
            <Alias key={host.host} {...props} host={host} />
          ))}
        </ul>
        <p className="jp-RemoteTunnel-none" role="status">
          {aliases.length > 0 && shown.length === 0
            ? trans.__('None of them is called so.')
            : ''}
        </p>
      </div>
    </>
  );
}

/** A line for a host; what it offers comes with a click. */
function Alias(props: Context & { host: Host }): JSX.Element {
  const { host, trans } = props;
  const [isCollapsed, setCollapsed] = React.useState(true);
  const body = React.useId();
  const name = <span className="jp-RemoteTunnel-aliasName">{host.host}</span>;
  const way = wayOf(host);
  const count = host.offers.length;
  return (
    <li className="jp-RemoteTunnel-alias">
      <div
        className="jp-RemoteTunnel-aliasLine"
        onContextMenu={hostMenuHandler({ ...props, host: host.host })}
      >
        {count === 0 ? (
          <span className="jp-RemoteTunnel-title">{name}</span>
        ) : (
          <Toggle
            {...{ body, isCollapsed }}
            onToggle={() => setCollapsed(!isCollapsed)}
          >
            {name}{' '}
            <span className="jp-RemoteTunnel-source">
              {trans._n('%1 forward', '%1 forwards', count)}
            </span>
          </Toggle>
        )}
        <HostActions {...props} host={host.host} />
        {way && (
          <span className="jp-RemoteTunnel-way" title={way}>
            {way}
          </span>
        )}
      </div>
      {count > 0 && (
        <div id={body} hidden={isCollapsed}>
          <Offers {...props} host={host} />
        </div>
      )}
    </li>
  );
}

/** A button that shows and hides what has the id `body`. */
export function Toggle(props: {
  body: string;
  isCollapsed: boolean;
  onToggle: () => void;
  children: React.ReactNode;
}): JSX.Element {
  const { body, children, isCollapsed, onToggle } = props;
  const Caret = (isCollapsed ? caretRightIcon : caretDownIcon).react;
  return (
    <button
      className="jp-RemoteTunnel-toggle"
      aria-expanded={!isCollapsed}
      aria-controls={body}
      onClick={onToggle}
    >
      <Caret tag="span" />
      <span>{children}</span>
    </button>
  );
}

/** The forwards that the configuration of a host names. */
export function Offers(
  props: Context & {
    host: Host;
    /** Whether other forwards stand above. */
    isCaptioned?: boolean;
  }
): JSX.Element | null {
  const { host, trans } = props;
  if (host.offers.length === 0) {
    return null;
  }
  return (
    <div className="jp-RemoteTunnel-offers">
      {props.isCaptioned && (
        <p className="jp-RemoteTunnel-state">
          {trans.__('In your ssh configuration:')}
        </p>
      )}
      <ul
        className="jp-RemoteTunnel-list"
        aria-label={trans.__('What %1 offers', host.host)}
      >
        {host.offers.map(forward => (
          <Offer key={forward} {...props} forward={forward} />
        ))}
      </ul>
    </div>
  );
}

function Offer(props: Context & { host: Host; forward: string }): JSX.Element {
  const { commands, forward, manager, trans } = props;
  const { host } = props.host;
  const tunnel = openedFor(host, forward, manager.tunnels);
  const Icon = tunnel && stateIcon(wholeState(tunnel)).react;
  return (
    <li
      className="jp-RemoteTunnel-offer"
      data-state={tunnel && wholeState(tunnel)}
    >
      <code title={forward}>{forward}</code>
      {Icon ? (
        <span className="jp-RemoteTunnel-offered">
          <Icon tag="span" className="jp-RemoteTunnel-stateIcon" />
          {stateOf(tunnel, manager.others, trans)}
        </span>
      ) : (
        <button
          className="jp-RemoteTunnel-link"
          aria-label={trans.__('Open %1 of %2', forward, host)}
          onClick={({ currentTarget }) => {
            const args = { host, forward };
            const opening = commands.execute(CommandIDs.openOffer, args);
            void followFocus(currentTarget, opening);
          }}
        >
          {trans.__('Open')}
        </button>
      )}
    </li>
  );
}

/** The tunnel that has a forward open which a host offers, or is about to. */
function openedFor(
  host: string,
  forward: string,
  tunnels: readonly TunnelStatus[]
): TunnelStatus | undefined {
  return tunnels.find(
    tunnel =>
      tunnel.host === host &&
      tunnel.state !== 'failed' &&
      tunnel.forwards.some(({ spec }) => spec === forward)
  );
}

/** A button is about to go: the focus goes to the row of the tunnel that comes of it. */
async function followFocus(
  button: HTMLElement,
  opening: Promise<string | null>
): Promise<void> {
  const sidebar = button.closest<HTMLElement>('.jp-RemoteTunnel')!;
  sidebar.focus();
  const id = await opening;
  // Unless the person went on meanwhile.
  if (id && document.activeElement === sidebar) {
    sidebar.querySelector<HTMLElement>(`[data-tunnel="${id}"]`)?.focus();
  }
}
