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
  refreshIcon
} from '@jupyterlab/ui-components';
import * as React from 'react';

import { Action, Context } from './actions';
import { ForwardStatus, TunnelStatus } from './api';
import { CommandIDs } from './commands';
import { Explanation, Reason } from './dialogs';
import { Beyond } from './farleg';
import {
  applicationOf,
  askedBy,
  clock,
  destination,
  details,
  errorsOf,
  inOurWords,
  isPrivate,
  joined,
  lastProblem,
  localAddress,
  NBSP,
  stateOf,
  traffic,
  wholeState
} from './format';
import { browserIcon, stateIcon, tabIcon } from './icons';

interface TunnelProps extends Context {
  tunnel: TunnelStatus;
}

export function Tunnel(props: TunnelProps): JSX.Element {
  const { manager, tunnel, trans } = props;
  const { id, name, state } = tunnel;
  const Icon = stateIcon(wholeState(tunnel)).react;
  const source = askedBy(tunnel, trans);
  return (
    <li
      className="jp-RemoteTunnel-tunnel"
      data-state={wholeState(tunnel)}
      data-tunnel={id}
      tabIndex={-1}
    >
      <div className="jp-RemoteTunnel-heading">
        <Icon tag="span" className="jp-RemoteTunnel-stateIcon" />
        <span className="jp-RemoteTunnel-title" title={details(tunnel, trans)}>
          <span className="jp-RemoteTunnel-name">{name}</span>{' '}
          <span className="jp-RemoteTunnel-state" aria-live="polite">
            {stateOf(tunnel, manager.others, trans)}
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
      {tunnel.error && (
        <Explanation error={inOurWords(tunnel.error, trans, tunnel)} />
      )}
      {state === 'failed' && (
        <div className="jp-RemoteTunnel-nextTry">
          <Diagnose {...props} />
        </div>
      )}
      {state === 'reconnecting' && <NextTry {...props} />}
      {state === 'waiting_for_user' && <LogIn {...props} />}
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
      <Problems {...props} forwards={tunnel.forwards} />
    </div>
  );
}

/** When a lost connection is tried again, and a way not to wait for that. */
function NextTry(props: TunnelProps): JSX.Element {
  const { trans, tunnel } = props;
  const { name, next_try: moment } = tunnel;
  const isDue = useIsDue(moment);
  return (
    <div className="jp-RemoteTunnel-nextTry">
      <span>
        {isDue || moment === null
          ? trans.__('Trying now…')
          : trans.__('Next try at %1', clock(moment))}
      </span>
      <RestartLink
        {...props}
        label={trans.__('Try now')}
        explanation={trans.__('Try now to reconnect %1', name)}
      />
      <Diagnose {...props} />
    </div>
  );
}

/** A way to be asked, where a host waits for a person and has asked nobody. */
function LogIn(props: TunnelProps): JSX.Element | null {
  const { manager, trans, tunnel } = props;
  const { id, name } = tunnel;
  const { others, prompts } = manager;
  if ([...prompts, ...others].some(({ tunnels }) => tunnels.includes(id))) {
    return null;
  }
  return (
    <div className="jp-RemoteTunnel-nextTry">
      <RestartLink
        {...props}
        label={trans.__('Log in…')}
        explanation={trans.__('Log in to reconnect %1', name)}
      />
    </div>
  );
}

/** Finds out why a tunnel does not reach its host, or where it leads. */
function Diagnose(props: TunnelProps): JSX.Element {
  const { commands, trans, tunnel } = props;
  return (
    <button
      className="jp-RemoteTunnel-link"
      aria-label={trans.__('Diagnose the way of %1', tunnel.name)}
      onClick={() =>
        void commands.execute(CommandIDs.diagnose, { tunnel: tunnel.id })
      }
    >
      {trans.__('Diagnose…')}
    </button>
  );
}

/** Restarts the tunnel, and is about to go then. */
function RestartLink(
  props: TunnelProps & { label: string; explanation: string }
): JSX.Element {
  const { commands, explanation, label, tunnel } = props;
  return (
    <button
      className="jp-RemoteTunnel-link"
      aria-label={explanation}
      onClick={({ currentTarget }) => {
        focusRow(currentTarget);
        void commands.execute(CommandIDs.restart, { tunnel: tunnel.id });
      }}
    >
      {label}
    </button>
  );
}

/** Whether that moment has come; none has. Nobody tells of it, and nobody has to ask. */
function useIsDue(moment: string | null): boolean {
  const [passed, setPassed] = React.useState<string | null>(null);
  const left = moment === null ? 0 : Date.parse(moment) - Date.now();
  React.useEffect(() => {
    if (left <= 0) {
      return undefined;
    }
    const timer = setTimeout(() => setPassed(moment), left);
    return () => clearTimeout(timer);
  }, [moment]);
  return left <= 0 || passed === moment;
}

/**
 * What is wrong with forwards of a tunnel that is open; of any other the tunnel itself tells.
 *
 * That a stream failed is past: the next may do better, and then this goes.
 */
function Problems(
  props: TunnelProps & { forwards: readonly ForwardStatus[] }
): JSX.Element | null {
  const { forwards, trans, tunnel } = props;
  const [dismissed, setDismissed] = React.useState<string | null>(null);
  if (tunnel.state !== 'open') {
    return null;
  }
  const last = lastProblem(forwards);
  const past = last?.at === dismissed ? null : last;
  return (
    <>
      {errorsOf(forwards).map(error => (
        <Explanation
          key={error.code}
          error={inOurWords(error, trans, tunnel)}
        />
      ))}
      <div className={past ? 'jp-RemoteTunnel-past' : undefined}>
        <div role="status">
          {past && (
            <Reason
              error={past.error}
              since={trans.__('Last problem, %1:', clock(past.at))}
            />
          )}
        </div>
        {past && (
          <button
            className="jp-RemoteTunnel-action"
            aria-label={trans.__('Dismiss the last problem')}
            title={trans.__('Dismiss the last problem')}
            onClick={({ currentTarget }) => {
              focusRow(currentTarget);
              setDismissed(past.at);
            }}
          >
            <closeIcon.react tag="span" />
          </button>
        )}
        {past && forwards.some(({ kind }) => kind === 'local') && (
          <Diagnose {...props} />
        )}
      </div>
    </>
  );
}

/** A button that is about to go hands the focus to its row. */
function focusRow(button: HTMLElement): void {
  button.closest<HTMLElement>('.jp-RemoteTunnel-tunnel')!.focus();
}

function Forward(
  props: TunnelProps & { forward: ForwardStatus; index: number }
): JSX.Element {
  const { forward, index, manager, trans, tunnel } = props;
  const application = applicationOf(tunnel, forward, manager.applications);
  return (
    <li className="jp-RemoteTunnel-forward" title={forward.spec}>
      <Addresses forward={forward} trans={trans} />
      <Beyond forward={forward} trans={trans} />
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
      <Problems {...props} forwards={[forward]} />
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
  const [near, far] = isRemote ? [leads, listens] : [listens, leads];
  return (
    <div className="jp-RemoteTunnel-address">
      <Piece text={near} />{' '}
      <Piece text={far}>
        <span
          role="img"
          aria-label={
            isRemote ? trans.__('is reached from') : trans.__('leads to')
          }
        >
          {isRemote ? `←${NBSP}` : `→${NBSP}`}
        </span>
      </Piece>
    </div>
  );
}

/** What is not divided between lines: its end is cut where it has no room, and a title tells it. */
function Piece(props: React.PropsWithChildren<{ text: string }>): JSX.Element {
  const { children, text } = props;
  return (
    <span className="jp-RemoteTunnel-piece" title={text}>
      {children}
      {text}
    </span>
  );
}
