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

-- A prediction, what triage said of it and what people answered; was_right is NULL while nobody has.
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
    v.learned_prediction AS learned_prediction,
    v.learned_version AS learned_version,
    if(a.correction_id = '', NULL, a.label) AS label,
    a.source AS source,
    a.reliability AS reliability,
    if(a.correction_id = '', NULL, a.label = p.prediction) AS was_right
FROM $database.verdicts AS v
-- A retry is stored as often as it was sent, and has one verdict.
INNER ANY JOIN $database.predictions AS p ON p.model = v.model AND p.event_id = v.event_id
LEFT JOIN $database.answers AS a ON a.model = v.model AND a.event_id = v.event_id;

-- Accuracy of the production model by day of the event, estimated from reviewed events: the difference estimator
-- mean(g + q (O - g) / pi), with g the guess made before anyone looked, O whether the model was right, q whether the
-- event was answered and pi its inclusion probability (Saerndal, Swensson & Wretman 1992, chapter 6). standard_error is
-- the square root of sum(q (1 - pi) (O - g)^2 / pi^2) over the number of events, for one look at a fixed time. Events that
-- may not be reviewed (pi = 0) are left out and counted in not_reviewable; unanswered tasks are counted, not corrected for.
CREATE OR REPLACE VIEW $database.accuracy_daily AS
SELECT
    model,
    toDate(time) AS day,
    countIf(inclusion_probability > 0) AS events,
    countIf(inclusion_probability = 0) AS not_reviewable,
    countIf(inclusion_probability > 0 AND was_right IS NOT NULL) AS answered,
    countIf(inclusion_probability > 0 AND was_right IS NULL AND task_id != '') AS unanswered,
    sumIf(guess + if(was_right IS NULL, 0, (assumeNotNull(was_right) - guess) / inclusion_probability),
          inclusion_probability > 0) / events AS accuracy,
    sqrt(sumIf((1 - inclusion_probability) * pow(assumeNotNull(was_right) - guess, 2) / pow(inclusion_probability, 2),
               inclusion_probability > 0 AND was_right IS NOT NULL)) / events AS standard_error,
    avgIf(guess, inclusion_probability > 0) AS mean_guess
FROM
(
    SELECT *, ifNull(1 - error_probability, confidence) AS guess
    FROM $database.review_outcomes
)
GROUP BY model, day
ORDER BY model, day;

-- One row an alert: when it fired, was acknowledged and resolved (NULL until then), and by whom.
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
    minOrNullIf(a.changed_at, a.state = 'acknowledged') AS acknowledged_at,
    argMinOrNullIf(a.changed_by, a.changed_at, a.state = 'acknowledged') AS acknowledged_by,
    minOrNullIf(a.changed_at, a.state = 'resolved') AS resolved_at,
    argMinOrNullIf(a.changed_by, a.changed_at, a.state = 'resolved') AS resolved_by,
    dateDiff('second', min(a.fired_at), acknowledged_at) AS seconds_to_acknowledge,
    dateDiff('second', min(a.fired_at), resolved_at) AS seconds_to_resolve,
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
    g.decision AS gate_decision,
    g.reason AS gate_reason,
    g.log_evidence AS log_evidence,
    g.log_threshold AS log_threshold,
    g.approved_by AS approved_by
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
