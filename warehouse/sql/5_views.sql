-- What analysts ask first.

CREATE OR REPLACE VIEW $database.tasks_now AS
SELECT * FROM $database.tasks
ORDER BY task_id, revision DESC, changed_at DESC, _stored_at DESC, _offset DESC
LIMIT 1 BY task_id;

CREATE OR REPLACE VIEW $database.alerts_now AS
SELECT * FROM $database.alerts
ORDER BY alert_id, revision DESC, changed_at DESC, _stored_at DESC, _offset DESC
LIMIT 1 BY alert_id;

CREATE OR REPLACE VIEW $database.people_now AS
SELECT * FROM $database.people
ORDER BY person_id, version DESC, changed_at DESC, _stored_at DESC, _offset DESC
LIMIT 1 BY person_id;

CREATE OR REPLACE VIEW $database.models_now AS
SELECT * FROM $database.models
WHERE recipe != 'candidate'
ORDER BY model, created_at DESC, _stored_at DESC, _offset DESC
LIMIT 1 BY model;

-- The newest answer that people gave to an event, if any.
CREATE OR REPLACE VIEW $database.answers AS
SELECT * FROM $database.corrections
WHERE source IN ('review', 'adjudication')
ORDER BY model, event_id, created_at DESC, _stored_at DESC, _offset DESC
LIMIT 1 BY model, event_id;

-- A prediction, what triage said of it and what people answered; was_right is NULL while nobody has. An event has one row:
-- what came again after INTAKE had forgotten it has a second verdict and no row, and an answer to a task of that second
-- verdict is none to the first, which did not ask.
CREATE OR REPLACE VIEW $database.review_outcomes AS
SELECT
    v.model AS model,
    v.event_id AS event_id,
    v.time AS time,
    p.model_version AS model_version,
    p.prediction AS prediction,
    p.confidence AS confidence,
    p.slices AS slices,
    v.decision AS decision,
    v.reasons AS reasons,
    v.uncertainty AS uncertainty,
    v.error_probability AS error_probability,
    v.inclusion_probability AS inclusion_probability,
    v.audit AS audit,
    v.task_id AS task_id,
    nullIf(v.learned_prediction, '') AS learned_prediction,
    nullIf(v.learned_version, '') AS learned_version,
    if(a.correction_id = '', NULL, a.label) AS label,
    if(a.correction_id = '', NULL, a.source) AS source,
    if(a.correction_id = '', NULL, a.reliability) AS reliability,
    if(a.correction_id = '', NULL, a.label = p.prediction) AS was_right
FROM
(
    SELECT
        model, event_id, time, decision, reasons, uncertainty, error_probability, inclusion_probability, audit, task_id,
        learned_prediction, learned_version
    FROM $database.verdicts
    ORDER BY model, event_id, decided_at, _stored_at, _offset, _index
    LIMIT 1 BY model, event_id
) AS v
-- What is sent again under an event's id is stored, and changes nothing: the verdict is on what came first at its time.
INNER JOIN
(
    SELECT model, event_id, time, model_version, prediction, confidence, slices
    FROM $database.predictions
    ORDER BY model, time, event_id, _stored_at, _offset, _index
    LIMIT 1 BY model, time, event_id
) AS p ON p.model = v.model AND p.event_id = v.event_id AND p.time = v.time
LEFT JOIN $database.answers AS a ON a.model = v.model AND a.event_id = v.event_id AND a.task_id = v.task_id;

-- Accuracy of the production model on all events of a day that may be reviewed, estimated from those that were. Of each
-- event right_sum has g + q (O - g) / pi: g the guess made before anyone looked, O whether the model was right, q whether
-- the event was answered, pi its inclusion probability (the difference estimator, Saerndal, Swensson & Wretman 1992,
-- chapter 6); variance_sum has q (1 - pi) (O - g)^2 / pi^2. The sums of days add up to those of longer spans; accuracy is
-- right_sum / events. An answered draw is one with pi below 1: below 50 of them accuracy, standard_error, low and high are
-- NULL. What was drawn and is not answered (open, expired, "cannot tell") is counted as the guess says in accuracy, as all
-- wrong in low (right_sum_low) and as all right in high. low and high are 1.96 standard errors beyond, for one look at a
-- span chosen beforehand; the error has one more draw in it that went as badly as can be (weight_max), because few errors,
-- or none, among the draws would say that there are none. Events that may not be reviewed (pi = 0) are no part of it.
CREATE OR REPLACE VIEW $database.accuracy_daily AS
SELECT
    model,
    toDate(time) AS day,
    countIf(pi > 0) AS events,
    countIf(pi = 0) AS not_reviewable,
    countIf(is_answered) AS answered,
    countIf(is_unanswered) AS unanswered,
    countIf(is_answered AND pi < 1) AS audit_answered,
    countIf(is_unanswered AND pi < 1) AS audit_unanswered,
    sumIf(guess, pi > 0) + sumIf((is_right - guess) / pi, is_answered) AS right_sum,
    right_sum - sumIf(guess / pi, is_unanswered) AS right_sum_low,
    right_sum + sumIf((1 - guess) / pi, is_unanswered) AS right_sum_high,
    sumIf((1 - pi) * pow((is_right - guess) / pi, 2), is_answered) AS variance_sum,
    maxIf((1 - pi) / pow(pi, 2), is_answered) AS weight_max,
    if(audit_answered >= $audit_answered_min, least(1, greatest(0, right_sum / events)), NULL) AS accuracy,
    if(audit_answered >= $audit_answered_min, sqrt(variance_sum + weight_max) / events, NULL) AS standard_error,
    if(accuracy IS NULL, NULL, greatest(0, right_sum_low / events - 1.96 * standard_error)) AS low,
    if(accuracy IS NULL, NULL, least(1, right_sum_high / events + 1.96 * standard_error)) AS high,
    if(events = 0, NULL, sumIf(guess, pi > 0) / events) AS mean_guess
FROM
(
    SELECT
        model,
        time,
        inclusion_probability AS pi,
        ifNull(1 - error_probability, confidence) AS guess,
        ifNull(was_right, 0) AS is_right,
        pi > 0 AND was_right IS NOT NULL AS is_answered,
        pi > 0 AND was_right IS NULL AND task_id != '' AS is_unanswered
    FROM $database.review_outcomes
)
GROUP BY model, day
ORDER BY model, day;

-- One row an alert: when it fired, was acknowledged and resolved (NULL until then), and by whom. fired_at is when that was
-- in the stream; raised_at and the other times are the clock's, and so are the seconds: a replay sets the two years apart.
CREATE OR REPLACE VIEW $database.alert_history AS
SELECT
    a.alert_id AS alert_id,
    any(a.model) AS model,
    any(a.signal) AS signal,
    any(a.detector) AS detector,
    argMax(a.severity, a.revision) AS severity,
    argMax(a.state, a.revision) AS state,
    min(a.fired_at) AS fired_at,
    min(a.fired_at_event) AS fired_at_event,
    min(ifNull(a.raised_at, a.fired_at)) AS raised_at,
    minOrNullIf(ifNull(a.told_at, a.changed_at), a.state = 'acknowledged') AS acknowledged_at,
    argMinOrNullIf(a.changed_by, a.revision, a.state = 'acknowledged') AS acknowledged_by,
    minOrNullIf(ifNull(a.told_at, a.changed_at), a.state = 'resolved') AS resolved_at,
    argMinOrNullIf(a.changed_by, a.revision, a.state = 'resolved') AS resolved_by,
    dateDiff('second', min(ifNull(a.raised_at, a.fired_at)), acknowledged_at) AS seconds_to_acknowledge,
    dateDiff('second', min(ifNull(a.raised_at, a.fired_at)), resolved_at) AS seconds_to_resolve,
    argMax(a.report_id, a.revision) AS report_id
FROM $database.alerts AS a
GROUP BY a.alert_id;

-- What each person did on each day; agreed counts answers that equal what the task was settled with.
CREATE OR REPLACE VIEW $database.reviewer_activity AS
SELECT
    o.person AS person,
    o.model AS model,
    toDate(o.time) AS day,
    any(o.simulated) AS simulated,
    count() AS opinions,
    countIf(o.answer = '__cannot_tell__') AS cannot_tell,
    countIf(t.state = 'settled') AS on_settled_tasks,
    countIf(t.state = 'settled' AND t.answer = o.answer) AS agreed,
    quantileExact(0.5)(o.seconds_spent) AS median_seconds
FROM $database.opinions AS o
LEFT JOIN $database.tasks_now AS t ON t.task_id = o.task_id
GROUP BY person, model, day
ORDER BY day, person, model;

-- Every version of a model that was ever in charge, with the gate's decision that put it there.
CREATE OR REPLACE VIEW $database.model_history AS
SELECT
    m.model AS model,
    m.version AS version,
    m.parent AS parent,
    m.recipe AS recipe,
    m.corrections AS corrections,
    m.size_bytes AS size_bytes,
    m.created_at AS created_at,
    m.reason AS reason,
    nullIf(g.decision, '') AS gate_decision,
    if(g.decision = '', NULL, g.reason) AS gate_reason,
    if(g.decision = '', NULL, g.log_evidence) AS log_evidence,
    if(g.decision = '', NULL, g.log_threshold) AS log_threshold,
    nullIf(g.approved_by, '') AS approved_by
FROM (SELECT * FROM $database.models WHERE recipe != 'candidate') AS m
LEFT JOIN
(
    SELECT * FROM $database.gates
    WHERE decision != 'continue'
    ORDER BY model, challenger, time DESC, step DESC
    LIMIT 1 BY model, challenger
) AS g ON g.model = m.model AND g.challenger = m.version
ORDER BY model, created_at;

CREATE OR REPLACE VIEW $database.reject_reasons AS
SELECT
    source_topic,
    role,
    field,
    reason,
    sum(elements) AS rejects,
    min(time) AS first_at,
    max(time) AS last_at,
    substring(any(original), 1, 200) AS example
FROM $database.rejects
GROUP BY source_topic, role, field, reason
ORDER BY rejects DESC;
