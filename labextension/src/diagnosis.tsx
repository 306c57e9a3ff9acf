/**
 * A tab with what the doctor found on the way to a host.
 *
 * Not a dialog: while the doctor walks, the hosts ask in dialogs. What they said is set as text by
 * React, never as HTML.
 */

import { Clipboard, MainAreaWidget, Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import { UUID } from '@lumino/coreutils';
import * as React from 'react';

import { Diagnosis, Step } from './api';
import { Explanation } from './dialogs';
import { Finding } from './finding';
import { connectingIcon, diagnoseIcon, verdictIcon } from './icons';
import { asText, conclusion, duration, nameOf, Stage, stages } from './steps';
import { Walk } from './walk';

interface WalkProps {
  walk: Walk;
  trans: TranslationBundle;
}

export class DiagnosisTab extends MainAreaWidget<ReactWidget> {
  constructor(
    readonly walk: Walk,
    trans: TranslationBundle
  ) {
    const content = ReactWidget.create(
      <UseSignal signal={walk.changed}>
        {() => <Report walk={walk} trans={trans} />}
      </UseSignal>
    );
    super({ content });
    this.id = `jp-remote-tunnel-diagnosis-${UUID.uuid4()}`;
    this.addClass('jp-RemoteTunnel-diagnosis');
    this.title.label = trans.__('Diagnosis of %1', walk.host);
    this.title.caption = trans.__('The way to %1, step by step', walk.host);
    this.title.icon = diagnoseIcon;
    this.toolbar.hide();
    content.node.setAttribute('role', 'region');
    content.node.setAttribute('aria-label', this.title.label);
  }

  override dispose(): void {
    this.walk.cancel();
    super.dispose();
  }
}

function Report(props: WalkProps): JSX.Element {
  const { trans, walk } = props;
  const { diagnosis, error, isBusy } = walk;
  return (
    <>
      <h2>{trans.__('The way to %1', walk.host)}</h2>
      {diagnosis && diagnosis.route.length > 1 && (
        <p className="jp-RemoteTunnel-hint">{diagnosis.route.join(' → ')}</p>
      )}
      <p
        className="jp-RemoteTunnel-conclusion"
        role="status"
        data-verdict={diagnosis && (diagnosis.ok ? 'ok' : 'failed')}
      >
        <Conclusion {...props} />
      </p>
      {error && <Explanation error={error} />}
      <div className="jp-RemoteTunnel-buttons">
        {/* One button, so that it keeps the focus. */}
        <button
          className="jp-Button jp-mod-styled jp-mod-accept"
          onClick={() => (isBusy ? walk.cancel() : void walk.start())}
        >
          {isBusy ? trans.__('Cancel') : trans.__('Again')}
        </button>
        <button
          className="jp-Button jp-mod-styled jp-mod-reject"
          disabled={!diagnosis}
          onClick={() => copy(diagnosis!, trans)}
        >
          {trans.__('Copy')}
        </button>
        <PublicBind {...props} />
      </div>
      {stages(walk.steps).map((stage, index) => (
        <StageSteps key={index} {...stage} trans={trans} />
      ))}
    </>
  );
}

function Conclusion({ trans, walk }: WalkProps): JSX.Element | null {
  const { diagnosis, isBusy, isCancelled } = walk;
  if (isBusy) {
    return (
      <>
        <connectingIcon.react
          tag="span"
          className="jp-RemoteTunnel-stateIcon"
        />
        {trans.__(
          'Looking… This can take some seconds for each hop, and longer where one asks you something.'
        )}
      </>
    );
  }
  if (isCancelled) {
    return <>{trans.__('You have cancelled it.')}</>;
  }
  if (!diagnosis) {
    return null;
  }
  const Icon = verdictIcon(diagnosis.ok ? 'ok' : 'failed').react;
  return (
    <>
      <Icon tag="span" className="jp-RemoteTunnel-stateIcon" />
      {conclusion(diagnosis, trans)}
    </>
  );
}

/** Who publishes something wants to know this; others need not have the host listen to everybody. */
function PublicBind({ trans, walk }: WalkProps): JSX.Element {
  const [isChecked, setChecked] = React.useState(walk.gatewayPorts);
  return (
    <label
      title={trans.__(
        'The host is asked to listen on all its interfaces, for a moment (GatewayPorts). Nobody who connects gets through.'
      )}
    >
      <input
        type="checkbox"
        checked={isChecked}
        onChange={({ target: { checked } }) => {
          walk.gatewayPorts = checked;
          setChecked(checked);
        }}
      />
      {trans.__('Also try a public bind')}
    </label>
  );
}

function StageSteps(props: Stage & { trans: TranslationBundle }): JSX.Element {
  const { hop, steps, trans } = props;
  const heading = React.useId();
  return (
    <>
      <h3 id={heading}>{hop}</h3>
      <ol className="jp-RemoteTunnel-steps" aria-labelledby={heading}>
        {steps.map((step, index) => (
          <OneStep key={index} step={step} trans={trans} />
        ))}
      </ol>
    </>
  );
}

function OneStep(props: { step: Step; trans: TranslationBundle }): JSX.Element {
  const { step, trans } = props;
  return (
    <Finding
      found={step}
      name={nameOf(step, trans)}
      time={duration(step.seconds)}
      trans={trans}
    >
      {step.details.map((detail, index) => (
        <p key={index} className="jp-RemoteTunnel-hint">
          {detail}
        </p>
      ))}
    </Finding>
  );
}

function copy(found: Diagnosis, trans: TranslationBundle): void {
  Clipboard.copyToSystem(asText(found, trans));
  Notification.success(trans.__('Copied: the way to %1', found.host), {
    autoClose: 3000
  });
}
