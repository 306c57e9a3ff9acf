/**
 * The rows of the sidebar: a tunnel, below it its forwards or its kernel.
 *
 * Everything that a remote host can name is set as text by React, never as HTML.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import {
  closeIcon,
  copyIcon,
  kernelIcon,
  LabIcon,
  refreshIcon
} from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';

import { ForwardStatus, TunnelStatus } from './api';
import { CommandIDs } from './commands';
import { Explanation } from './dialogs';
import {
  applicationOf,
  askedBy,
  destination,
  details,
  errorsOf,
  isPrivate,
  joined,
  localAddress,
  NBSP,
  stateLabel,
  traffic
} from './format';
import { browserIcon, stateIcon, tabIcon } from './icons';
import { ITunnelManager } from './tokens';

/** What every part of the sidebar needs. */
export interface Context {
  manager: ITunnelManager;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

interface TunnelProps extends Context {
  tunnel: TunnelStatus;
}

export function Tunnel(props: TunnelProps): JSX.Element {
  const { tunnel, trans } = props;
  const { id, name, state } = tunnel;
  const Icon = stateIcon(state).react;
  const source = askedBy(tunnel, trans);
  return (
    <li className="jp-RemoteTunnel-tunnel" data-state={state} data-tunnel={id}>
      <div className="jp-RemoteTunnel-heading">
        <Icon tag="span" className="jp-RemoteTunnel-stateIcon" />
        <span className="jp-RemoteTunnel-title" title={details(tunnel, trans)}>
          <span className="jp-RemoteTunnel-name">{name}</span>{' '}
          <span className="jp-RemoteTunnel-state" aria-live="polite">
            {stateLabel(state, trans)}
          </span>{' '}
          {source && (
            <span className="jp-RemoteTunnel-source" title={source.explanation}>
              {source.label}
            </span>
          )}
        </span>
        <span className="jp-RemoteTunnel-actions">
          <Action
            {...props}
            command={CommandIDs.restart}
            args={{ tunnel: id }}
            icon={refreshIcon}
            label={trans.__('Restart %1', name)}
          />
          <Action
            {...props}
            command={CommandIDs.close}
            args={{ tunnel: id }}
            icon={closeIcon}
            label={
              state === 'failed'
                ? trans.__('Dismiss %1', name)
                : trans.__('Close %1', name)
            }
          />
        </span>
      </div>
      {tunnel.error && <Explanation error={tunnel.error} />}
      {tunnel.kind === 'kernel' ? (
        <Kernel {...props} />
      ) : (
        <ul
          className="jp-RemoteTunnel-forwards"
          aria-label={trans.__('Forwards of %1', name)}
        >
          {tunnel.forwards.map((forward, index) => (
            <Forward key={index} {...props} index={index} forward={forward} />
          ))}
        </ul>
      )}
    </li>
  );
}

/** A remote kernel: its channels are one thing, which clients reach by its connection file. */
function Kernel(props: TunnelProps): JSX.Element {
  const { trans, tunnel } = props;
  return (
    <div className="jp-RemoteTunnel-forward">
      <div className="jp-RemoteTunnel-traffic">
        <kernelIcon.react tag="span" className="jp-RemoteTunnel-stateIcon" />
        {joined([trans.__('Kernel'), traffic(tunnel.forwards, tunnel, trans)])}
        <span className="jp-RemoteTunnel-actions">
          {tunnel.connection_file && (
            <Action
              {...props}
              command={CommandIDs.copyConnectionFile}
              args={{ tunnel: tunnel.id }}
              icon={copyIcon}
              label={trans.__('Copy the connection file of %1', tunnel.name)}
            />
          )}
        </span>
      </div>
      {errorsOf(tunnel.forwards).map(error => (
        <Explanation key={error.code} error={error} />
      ))}
    </div>
  );
}

function Forward(
  props: TunnelProps & { forward: ForwardStatus; index: number }
): JSX.Element {
  const { forward, index, manager, trans, tunnel } = props;
  const application = applicationOf(tunnel, forward, manager.applications);
  return (
    <li className="jp-RemoteTunnel-forward" title={forward.spec}>
      <Addresses forward={forward} trans={trans} />
      {tunnel.state !== 'failed' && (
        <div className="jp-RemoteTunnel-traffic">
          {traffic([forward], tunnel, trans)}
          <span className="jp-RemoteTunnel-actions">
            {application && (
              <>
                <Action
                  {...props}
                  command={CommandIDs.openInTab}
                  args={{ app: application.id }}
                  icon={tabIcon}
                  label={trans.__('Open %1 in a tab', application.name)}
                />
                <Action
                  {...props}
                  command={CommandIDs.openInBrowser}
                  args={{ app: application.id }}
                  icon={browserIcon}
                  label={trans.__('Open %1 in the browser', application.name)}
                />
              </>
            )}
            {isPrivate(forward) && application && (
              <Action
                {...props}
                command={CommandIDs.copyLink}
                args={{ app: application.id }}
                icon={copyIcon}
                label={trans.__('Copy the link of %1', application.name)}
              />
            )}
            {!isPrivate(forward) && forward.bound && (
              <Action
                {...props}
                command={CommandIDs.copyAddress}
                args={{ tunnel: tunnel.id, forward: index }}
                icon={copyIcon}
                label={trans.__('Copy the address %1', forward.bound)}
              />
            )}
          </span>
        </div>
      )}
      {forward.error && <Explanation error={forward.error} />}
    </li>
  );
}

/** From where to where; the near end first, whichever side listens. */
function Addresses(props: {
  forward: ForwardStatus;
  trans: TranslationBundle;
}): JSX.Element {
  const { forward, trans } = props;
  const listens = localAddress(forward, trans);
  const leads = destination(forward, trans);
  const isRemote = forward.kind === 'remote';
  return (
    <div className="jp-RemoteTunnel-address">
      {isRemote ? leads : listens}
      <span
        role="img"
        aria-label={
          isRemote ? trans.__('is reached from') : trans.__('leads to')
        }
      >
        {isRemote ? ` ←${NBSP}` : ` →${NBSP}`}
      </span>
      {isRemote ? listens : leads}
    </div>
  );
}

/** A button that runs a command, where the command makes sense. */
export function Action(
  props: Context & {
    command: string;
    args: ReadonlyPartialJSONObject;
    icon: LabIcon;
    label: string;
  }
): JSX.Element | null {
  const { args, command, commands, icon, label } = props;
  if (!commands.isVisible(command, args)) {
    return null;
  }
  return (
    <button
      className="jp-RemoteTunnel-action"
      aria-label={label}
      title={label}
      onClick={() => void commands.execute(command, args)}
    >
      <icon.react tag="span" />
    </button>
  );
}
